/* What the files of behaviours share: the functions are named in tests/behaviours.txt. */
#ifndef BEHAVIOURS_H
#define BEHAVIOURS_H

#define X(name) void name(void);
#include "behaviours.inc"
#undef X

#endif
