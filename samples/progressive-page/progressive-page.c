/* Shows in a browser how a face detector gets better while it arrives: a small HTTP server for one page. Each visitor has
 * a stream of its own, which is fed from the container at a limited rate, and is told by server-sent events of the bytes
 * and of what the newest generation finds. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "../common/face.h"

enum { MOST_VISITORS = 8, REQUEST = 8192, SETTLED_MS = 500 };

static const char help[] =
    "usage: progressive-page [--rate BYTES] [--address IP] [--port N] [--threads N] CONTAINER PICTURE\n"
    "\n"
    "Serves a page that shows how the face detector in CONTAINER finds the faces of PICTURE (PNG or JPEG) while it is\n"
    "still arriving: the picture with boxes, and the curve of bytes. Made for RFB-320, the model of the sample faces:\n"
    "swiftlet pack face-rfb-320/model.onnx -o faces.swl\n"
    "\n"
    "  --rate BYTES  bytes a second, 100000 by default; the page can ask for another rate\n"
    "  --address IP  IPv4 address to listen at; default 127.0.0.1: only this machine can see the page\n"
    "  --port N      default 8080; 0: any that is free\n"
    "  --threads N   threads that a run may use; 0, the default: one for each processor\n"
    "  --help        prints this\n"
    "\n"
    "It serves until it is ended. Exit status: 1 something failed, 2 wrong usage.\n"
    "Example: progressive-page faces.swl people.jpg, then http://127.0.0.1:8080/ in a browser\n";

/* progressive-page/page.html as it was when the sample was built. */
extern const char page[], page_end[];
__asm__(".section .rodata\n"
        ".global page, page_end\n"
        "page: .incbin \"progressive-page/page.html\"\n"
        "page_end:\n"
        ".byte 0\n"
        ".text\n");

/* What every visitor sees. */
static struct {
  const char *container, *picture_path;
  image picture;
  double rate;
  sem_t places; /* for visitors */
} shown;

static int send_all(int visitor, const void *bytes, size_t count) {
  for (const char *at = bytes; count > 0;) {
    ssize_t sent = send(visitor, at, count, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) return 0;
    at += sent, count -= (size_t)sent;
  }
  return 1;
}

__attribute__((format(printf, 2, 3))) static int send_text(int visitor, const char *format, ...) {
  char *text;
  va_list arguments;
  va_start(arguments, format);
  int length = vasprintf(&text, format, arguments);
  va_end(arguments);
  if (length < 0) return 0;
  int ok = send_all(visitor, text, (size_t)length);
  free(text);
  return ok;
}

static int send_head(int visitor, const char *status, const char *type) {
  return send_text(visitor, "HTTP/1.1 %s\r\nContent-Type: %s\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n",
                   status, type);
}

static int send_file(int visitor, const char *path) {
  unsigned char block[1 << 16] = {0};
  int file = open(path, O_RDONLY), ok = file >= 0;
  ssize_t count = ok ? read(file, block, sizeof block) : -1;
  ok = count > 0 ? send_head(visitor, "200 OK", block[0] == 0xff ? "image/jpeg" : "image/png")
                 : send_head(visitor, "404 Not Found", "text/plain");
  for (; ok && count > 0; count = read(file, block, sizeof block)) ok = send_all(visitor, block, (size_t)count);
  if (file >= 0) close(file);
  return ok;
}

/* A stream, what it is fed from, and the visitor who is told. */
typedef struct {
  int visitor, container;
  swl_stream *stream;
  sample_model model;
  face *faces;
  double start;
  uint64_t told; /* the newest generation that the visitor knows of */
} showing;

/* Runs the newest generation and tells what it finds; nothing if one came meanwhile of which `info` doesn't know. */
static int tell_generation(showing *s, const swl_stream_info *info) {
  if (s->model.model == NULL && !sample_follow(&s->model, s->stream)) return 0;
  const double begun = sample_ms();
  const int count = face_find(&s->model, &shown.picture, 0.7f, s->faces);
  const double done = sample_ms();
  if (count >= 0 && swl_session_generation(s->model.session) != info->generation) return 1;
  s->told = info->generation;
  int ok = count >= 0 && send_text(s->visitor,
                                   "event: generation\ndata: {\"ms\": %.0f, \"run\": %.1f, \"number\": %llu, "
                                   "\"bytes\": %llu, "
                                   "\"exact\": %s, \"faces\": [",
                                   done - s->start, done - begun,
                                   (unsigned long long)info->generation,
                                   (unsigned long long)info->generation_received,
                                   info->state == SWL_STREAM_COMPLETE ? "true" : "false");
  for (int i = 0; ok && i < count; i++) {
    const face *f = &s->faces[i];
    ok = send_text(s->visitor, "%s[%.4f, %.1f, %.1f, %.1f, %.1f]", i ? ", " : "", f->score, f->left, f->top, f->right,
                   f->bottom);
  }
  return ok && send_text(s->visitor, "]}\n\n");
}

/* Feeds the stream what is due by now. */
static int feed(showing *s, double due, swl_stream_info *info) {
  while (info->total == 0 || info->received < info->total) {
    swl_error *error = NULL;
    size_t count;
    if (due < (double)info->received + 1) return 1;
    const double most = due - (double)info->received;
    if (swl_stream_read(s->stream, s->container, most < 65536 ? (size_t)most : 65536, &count, &error) != SWL_OK)
      return sample_failed("the container can't be read", error);
    if (swl_stream_get_info(s->stream, info, &error) != SWL_OK) return sample_failed("no state", error);
  }
  return 1;
}

/* Tells a visitor all from the first byte to the part `until` of them. */
static int show(showing *s, double rate, double until) {
  static const struct timespec tick = {0, 20000000};
  swl_stream_info info = {.struct_size = sizeof info};
  struct stat file;
  if (fstat(s->container, &file) != 0) return 0;
  const double end = (double)file.st_size * until;
  uint64_t bytes = 0;
  double busy = s->start;
  int ok = send_head(s->visitor, "200 OK", "text/event-stream") &&
           send_text(s->visitor,
                     "event: start\ndata: {\"total\": %lld, \"rate\": %.0f, \"width\": %d, \"height\": %d}\n\n",
                     (long long)file.st_size, rate, shown.picture.width, shown.picture.height);
  while (ok) {
    const double now = sample_ms(), due = (now - s->start) * rate / 1000;
    ok = feed(s, due < end ? due : end, &info) && swl_stream_get_info(s->stream, &info, NULL) == SWL_OK;
    if (ok && info.received != bytes) {
      bytes = info.received;
      ok = send_text(s->visitor, "event: bytes\ndata: {\"ms\": %.0f, \"bytes\": %llu}\n\n", now - s->start,
                     (unsigned long long)bytes);
    }
    if (ok && info.generation != s->told) ok = tell_generation(s, &info);
    if (info.state == SWL_STREAM_COMPLETE && s->told == info.generation) break;
    /* Of a part all has been told when it has come and no generation has followed for a while. */
    if (due < end || info.generation != s->told) busy = now;
    if (until < 1 && now > busy + SETTLED_MS) break;
    nanosleep(&tick, NULL);
  }
  return ok && send_text(s->visitor, "event: end\ndata: {}\n\n");
}

static int send_events(int visitor, double rate, double until) {
  swl_error *error = NULL;
  showing s = {.visitor = visitor, .container = open(shown.container, O_RDONLY), .start = sample_ms()};
  s.faces = malloc(FACE_MOST * sizeof *s.faces);
  int ok = s.faces && s.container >= 0;
  if (!ok) sample_message("'%s': %s", shown.container, strerror(errno));
  if (ok && swl_stream_create(NULL, &s.stream, &error) != SWL_OK) ok = sample_failed("no stream", error);
  ok = ok && show(&s, rate, until);
  sample_close(&s.model);
  swl_stream_free(s.stream);
  free(s.faces);
  if (s.container >= 0) close(s.container);
  return ok;
}

/* The number behind `name=` in a query; `otherwise` if it isn't there or isn't within the bounds. */
static double parameter(const char *query, const char *name, double otherwise, double least, double most) {
  const char *found = strstr(query, name);
  if (!found || found[strlen(name)] != '=') return otherwise;
  const double value = strtod(found + strlen(name) + 1, NULL);
  return value >= least && value <= most ? value : otherwise;
}

static int answer(int visitor) {
  char request[REQUEST], path[REQUEST];
  size_t length = 0;
  request[0] = '\0';
  while (!strstr(request, "\r\n\r\n")) {
    ssize_t count = length < sizeof request - 1 ? recv(visitor, request + length, sizeof request - 1 - length, 0) : -1;
    if (count <= 0) return 0;
    length += (size_t)count;
    request[length] = '\0';
  }
  if (sscanf(request, "GET %s HTTP/1.", path) != 1) return send_head(visitor, "400 Bad Request", "text/plain");
  char *query = path + strcspn(path, "?");
  if (*query) *query++ = '\0';
  if (strcmp(path, "/") == 0)
    return send_head(visitor, "200 OK", "text/html; charset=utf-8") &&
           send_all(visitor, page, (size_t)(page_end - page));
  if (strcmp(path, "/picture") == 0) return send_file(visitor, shown.picture_path);
  if (strcmp(path, "/events") == 0)
    return send_events(visitor, parameter(query, "rate", shown.rate, 1, 1e12), parameter(query, "until", 1, 0, 1));
  return send_head(visitor, "404 Not Found", "text/plain");
}

static void *attend(void *argument) {
  const int visitor = (int)(intptr_t)argument;
  const struct timeval patience = {10, 0};
  setsockopt(visitor, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  setsockopt(visitor, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  answer(visitor);
  shutdown(visitor, SHUT_WR);
  close(visitor);
  sem_post(&shown.places);
  return NULL;
}

static int listen_at(const char *address, int port) {
  struct sockaddr_in name = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  socklen_t size = sizeof name;
  if (inet_pton(AF_INET, address, &name.sin_addr) != 1) {
    sample_message("'%s' is no IPv4 address", address);
    return -1;
  }
  int server = socket(AF_INET, SOCK_STREAM, 0);
  setsockopt(server, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
  if (server < 0 || bind(server, (struct sockaddr *)&name, size) != 0 || listen(server, 16) != 0 ||
      getsockname(server, (struct sockaddr *)&name, &size) != 0) {
    sample_message("%s:%d: %s", address, port, strerror(errno));
    return -1;
  }
  printf("http://%s:%d/\n", address, ntohs(name.sin_port));
  fflush(stdout);
  return server;
}

int main(int argc, char **argv) {
  const char *rate = "100000", *address = "127.0.0.1", *port = "8080";
  const sample_option options[] = {{"rate", &rate}, {"address", &address}, {"port", &port}, {NULL, NULL}};
  sample_arguments(argc, argv, help, options, 2, 2);
  shown.container = argv[1], shown.picture_path = argv[2];
  shown.rate = sample_number(rate, "--rate", 1, 1e12);
  if (access(shown.container, R_OK) != 0) {
    sample_message("'%s': %s", shown.container, strerror(errno));
    return SAMPLE_FAILED;
  }
  if (!image_load(&shown.picture, shown.picture_path, 3)) return SAMPLE_FAILED;
  sem_init(&shown.places, 0, MOST_VISITORS);
  const int server = listen_at(address, (int)sample_number(port, "--port", 0, 65535));
  while (server >= 0) {
    sem_wait(&shown.places);
    const int visitor = accept(server, NULL, NULL);
    pthread_t thread;
    if (visitor >= 0 && pthread_create(&thread, NULL, attend, (void *)(intptr_t)visitor) == 0) {
      pthread_detach(thread);
      continue;
    }
    if (visitor >= 0) close(visitor);
    sem_post(&shown.places);
  }
  return SAMPLE_FAILED;
}
