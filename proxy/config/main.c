/* main.c - writes the reference configuration to standard output: the build target "reference". */
#include <stdio.h>

#include "config/reference.h"

int
main(void)
{
	reference_write(stdout);
	return ferror(stdout) || fclose(stdout) != 0;
}
