/* socket_address.h - where a socket may be connected to. */
#ifndef JOBGATE_SOCKET_ADDRESS_H
#define JOBGATE_SOCKET_ADDRESS_H

#include <sys/socket.h>

/* A plain value. */
struct address {
	struct sockaddr_storage storage;
	socklen_t len; /* bytes of storage in use */
};

#endif
