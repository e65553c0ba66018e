/* openapi.h - the text of openapi.json, put into the program when it is built. */
#ifndef JOBGATE_CONTROL_OPENAPI_H
#define JOBGATE_CONTROL_OPENAPI_H

#include <stddef.h>

extern const char openapi_document[];
extern const size_t openapi_document_len;

#endif
