/* What the kernel allows: the least that can answer the load generator.
 *
 * One thread, one epoll. It trusts its client: a request arrives in one piece,
 * frames are whole text or binary frames, the only session is the connection.
 * It exists to show how far the servers are from the cost of the system calls.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BUFFER = 1 << 20, EVENTS = 512, CONNECTIONS = 32768 };

static const char OPEN[] = "0{\"sid\":\"x\"}";
static const char SWITCH[] =
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
    "Connection: Upgrade\r\n"
    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
    "\x81\x0c"
    "0{\"sid\":\"x\"}";

typedef struct {
  char *in;    /* what has arrived and is not yet dealt with */
  char *out;   /* what the socket has not taken yet */
  char *kept;  /* the payload of the last POST */
  size_t in_size, out_size, kept_size;
  int websocket;
} connection;

static connection connections[CONNECTIONS];
static int poller, highest;

static void watch(int fd, uint32_t events, int operation) {
  struct epoll_event event = {.events = events, .data.fd = fd};
  epoll_ctl(poller, operation, fd, &event);
}

static void write_out(int fd, const char *data, size_t size) {
  connection *c = &connections[fd];
  if (c->out_size == 0) {
    ssize_t sent = send(fd, data, size, MSG_DONTWAIT | MSG_NOSIGNAL);
    size_t done = sent > 0 ? (size_t)sent : 0;
    data += done;
    size -= done;
    if (size == 0) return;
    watch(fd, EPOLLIN | EPOLLOUT, EPOLL_CTL_MOD);
  }
  c->out = realloc(c->out, c->out_size + size);
  memcpy(c->out + c->out_size, data, size);
  c->out_size += size;
}

static void write_rest(int fd) {
  connection *c = &connections[fd];
  ssize_t sent = send(fd, c->out, c->out_size, MSG_DONTWAIT | MSG_NOSIGNAL);
  if (sent <= 0) return;
  c->out_size -= (size_t)sent;
  memmove(c->out, c->out + sent, c->out_size);
  if (c->out_size == 0) watch(fd, EPOLLIN, EPOLL_CTL_MOD);
}

static void close_connection(int fd) {
  connection *c = &connections[fd];
  free(c->in);
  free(c->out);
  free(c->kept);
  memset(c, 0, sizeof *c);
  close(fd);
}

static void answer(int fd, const char *body, size_t size) {
  char head[128];
  int length = snprintf(head, sizeof head,
                        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
                        "Content-Length: %zu\r\n\r\n", size);
  char *whole = malloc((size_t)length + size);
  memcpy(whole, head, (size_t)length);
  memcpy(whole + length, body, size);
  write_out(fd, whole, (size_t)length + size);
  free(whole);
}

/* The length of the request, or 0 while it is not complete. */
static size_t serve_http(int fd) {
  connection *c = &connections[fd];
  char *end = memmem(c->in, c->in_size, "\r\n\r\n", 4);
  if (end == NULL) return 0;
  size_t head = (size_t)(end - c->in) + 4, body = 0;
  if (memmem(c->in, head, "transport=websocket", 19) != NULL) {
    c->websocket = 1;
    write_out(fd, SWITCH, sizeof SWITCH - 1);
    return head;
  }
  char *length = memmem(c->in, head, "Content-Length: ", 16);
  if (length != NULL) body = strtoul(length + 16, NULL, 10);
  if (c->in_size < head + body) return 0;
  if (body != 0) {
    c->kept = realloc(c->kept, body);
    memcpy(c->kept, c->in + head, c->kept_size = body);
    answer(fd, "ok", 2);
  } else if (memmem(c->in, head, "&sid=", 5) != NULL) {
    answer(fd, c->kept, c->kept_size);
  } else {
    answer(fd, OPEN, sizeof OPEN - 1);
  }
  return head + body;
}

static void unmask(char *to, const char *from, size_t size, const char *mask) {
  uint32_t word;
  memcpy(&word, mask, 4);
  uint64_t wide = (uint64_t)word << 32 | word, block;
  size_t i = 0;
  for (; i + 8 <= size; i += 8) {
    memcpy(&block, from + i, 8);
    block ^= wide;
    memcpy(to + i, &block, 8);
  }
  for (; i < size; i++) to[i] = from[i] ^ mask[i & 3];
}

/* Answers all complete frames with one write; returns the bytes dealt with. */
static size_t serve_frames(int fd) {
  static char reply[2 * BUFFER];
  connection *c = &connections[fd];
  size_t done = 0, filled = 0;
  int closing = 0;
  while (c->in_size - done >= 6 && !closing) {
    const unsigned char *frame = (unsigned char *)c->in + done;
    size_t size = frame[1] & 127, field = 0;
    if (size == 126) {
      field = 2;
      size = (size_t)frame[2] << 8 | frame[3];
    } else if (size == 127) {
      field = 8;
      if (c->in_size - done < 14) break;
      size = 0;
      for (int i = 2; i < 10; i++) size = size << 8 | frame[i];
    }
    size_t head = 2 + field;
    if (c->in_size - done < head + 4 + size) break;
    if (filled + head + size > sizeof reply) {
      write_out(fd, reply, filled);
      filled = 0;
    }
    char *out = reply + filled;
    memcpy(out, frame, head);
    out[1] &= 127;
    unmask(out + head, (char *)frame + head + 4, size, (char *)frame + head);
    if (size > 1 && out[head] == '4' && out[head + 1] == 'B') {
      for (int other = 0; other <= highest; other++)
        if (connections[other].websocket) write_out(other, out, head + size);
    } else {
      filled += head + size;
    }
    closing = (out[0] & 15) == 8;
    done += head + 4 + size;
  }
  if (filled != 0) write_out(fd, reply, filled);
  if (closing) {
    shutdown(fd, SHUT_WR);
    connections[fd].websocket = 0;
  }
  return done;
}

static void serve(int fd) {
  static char buffer[BUFFER];
  connection *c = &connections[fd];
  ssize_t got = recv(fd, buffer, sizeof buffer, MSG_DONTWAIT);
  if (got <= 0) {
    close_connection(fd);
    return;
  }
  c->in = realloc(c->in, c->in_size + (size_t)got);
  memcpy(c->in + c->in_size, buffer, (size_t)got);
  c->in_size += (size_t)got;
  size_t done = c->websocket ? serve_frames(fd) : serve_http(fd);
  c->in_size -= done;
  memmove(c->in, c->in + done, c->in_size);
}

static void accept_one(int listener) {
  int on = 1, fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
  if (fd < 0) return;
  if (fd >= CONNECTIONS) {
    close(fd);
    return;
  }
  if (fd > highest) highest = fd;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  watch(fd, EPOLLIN, EPOLL_CTL_ADD);
}

int main(void) {
  struct sockaddr_in address = {.sin_family = AF_INET};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  poller = epoll_create1(0);
  if (bind(listener, (struct sockaddr *)&address, sizeof address) != 0 ||
      listen(listener, 1024) != 0) {
    perror("listen");
    return 1;
  }
  watch(listener, EPOLLIN, EPOLL_CTL_ADD);
  for (;;) {
    struct epoll_event events[EVENTS];
    int count = epoll_wait(poller, events, EVENTS, -1);
    for (int i = 0; i < count; i++) {
      int fd = events[i].data.fd;
      if (fd == listener) {
        accept_one(listener);
        continue;
      }
      if (events[i].events & EPOLLOUT) write_rest(fd);
      if (events[i].events & ~(uint32_t)EPOLLOUT) serve(fd);
    }
  }
}
