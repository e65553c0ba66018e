/* address.h - converts socket addresses to text and bytes. */
#ifndef JOBGATE_ADDRESS_H
#define JOBGATE_ADDRESS_H

#include <stdint.h>

#include "jobgate/slice.h"
#include "jobgate/socket_address.h"

/* "192.0.2.1:80" or "[2001:db8::1]:80" or "unix"; always NUL-terminated. */
#define ADDRESS_TEXT_MAX 64
void address_format(const struct sockaddr *address, char out[ADDRESS_TEXT_MAX]);

/*
 * Write an address without its port as 16 bytes: IPv6, or IPv4 mapped into it (RFC 4291 section
 * 2.5.5.2). False when it is neither IPv4 nor IPv6.
 */
bool address_bytes(const struct sockaddr *address, unsigned char out[16]);

/*
 * Write such an address as text, "192.0.2.1" or "2001:db8::1"; returns the length, without the NUL.
 */
size_t address_bytes_format(const unsigned char bytes[16], char out[ADDRESS_TEXT_MAX]);

/*
 * Write an address without its port: "192.0.2.1", "2001:db8::1", or "unix". IPv4-mapped addresses
 * are shown as IPv4.
 */
void address_format_host(const struct sockaddr *address, char out[ADDRESS_TEXT_MAX]);

#endif
