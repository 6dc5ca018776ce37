/* Runs the behaviours that every binding proves: tests/behaviours.txt, made into one X(name) a line by tests/c/run. */
#include "behaviours.h"
#include "harness.h"

static const test behaviours[] = {
#define X(name) {#name, name},
#include "behaviours.inc"
#undef X
};

int main(int argc, char **argv)
{
    return run_tests(TESTS_IN(behaviours), argc, argv);
}
