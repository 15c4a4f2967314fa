/* SPDX-License-Identifier: MIT */
/* Dies with words in the buffers of stdio:
 *   unflushed words         in stdout's and in stderr's, which is made to buffer
 *   unflushed buffer        in a buffer of its own that stdout was given, after a flush
 *   unflushed none          after a flush
 *   unflushed environment   with a stdout that was overwritten: its bytes lie in the environment (glibc)
 *   unflushed nonsense      the same with an end before the beginning (glibc)
 * FAR: with so many bytes of other data, in FAR_SECTION: .data lies before the streams of a static program, .data1
 * behind them. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#ifdef FAR
__attribute__((section(FAR_SECTION))) char far_data[FAR] = {1};
#endif

static void overwrite(const char *how)
{
#ifdef __GLIBC__
    if (strcmp(how, "environment") == 0) {
        stdout->_IO_write_base = stdout->_IO_buf_base = environ[0];
        stdout->_IO_write_ptr = stdout->_IO_buf_end = environ[0] + strlen(environ[0]);
    }
    if (strcmp(how, "nonsense") == 0) stdout->_IO_write_ptr = stdout->_IO_write_base - 100;
#else
    (void)how;
#endif
}

int main(int argc, char **argv)
{
    static char room[8192], error_room[8192];
    const char *how = argc > 1 ? argv[1] : "";
    setvbuf(stderr, error_room, _IOFBF, sizeof error_room);
    if (strcmp(how, "buffer") == 0) {
        setvbuf(stdout, room, _IOFBF, sizeof room);
        printf("flushed\n");
        fflush(stdout);
    }
    printf("%s", "the last words of a program: sixty-seven bytes that it never wrote.");
    fprintf(stderr, "and an error of which nobody hears");
    if (strcmp(how, "none") == 0) fflush(NULL);
    overwrite(how);
    raise(SIGSEGV);
    return 97;
}
