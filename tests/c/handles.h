/* What every function says to a handle that is none. */
#ifndef HANDLES_H
#define HANDLES_H

/* Checks that every function refuses the handle, whatever kind it claims to be, with no place for an error. */
void check_refused_everywhere(void *handle);

#endif
