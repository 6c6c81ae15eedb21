/*
 * The least that a correct tool must ask of the kernel: what certroll's figures are measured against.
 *
 *   least check ROOT REFERENCE   checks that everything is in place for every service of ROOT, and in force: no other
 *                                file of its conf.d may mask ours, and no config.yml may name another directory
 *   least links ROOT REFERENCE   the same without what could mask ours: a link may be in place and not be read
 *   least apply ROOT REFERENCE   puts everything in place, durably
 *   least peak COMMAND...        runs a command, exits as it does, and prints the most memory it held, in KiB
 *
 * REFERENCE is a root where certroll has put everything in place; its files, with owner and mode, are what ROOT must
 * get. Paths are resolved inside ROOT and no link is followed on the way, as a tool that runs as root has to. check
 * and apply print the nanoseconds from after start-up to the end; exit 0 is done, 1 is not in place, 2 is an error.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LINK_NAME "010-custom-certificate.yml"
#define LINK_TARGET "/etc/xivo/custom/custom-certificate.yml"
#define STAGED ".least-staged"
#define SAVED "var/lib/least"

/* A file that must be in place, and the directory it is staged in: its own, or, where another program sweeps that one
   whole, one above. */
struct file {
    const char *dir, *name, *stage;
    char *bytes;
    size_t size;
    struct stat attrs;
};

static struct file files[] = {
    {"usr/share/xivo-certs", "server.key", "usr/share/xivo-certs", NULL, 0, {0}},
    {"usr/share/xivo-certs", "server.crt", "usr/share/xivo-certs", NULL, 0, {0}},
    {"etc/xivo/custom", "custom-certificate.yml", "etc/xivo/custom", NULL, 0, {0}},
    {"etc/xivo/custom-templates/system/etc", "hosts", "etc/xivo", NULL, 0, {0}},
    {"etc", "hosts", "etc", NULL, 0, {0}},
};
#define FILES (sizeof files / sizeof files[0])

static char **services;
static size_t count;

static void die(const char *verb, const char *what) {
    fprintf(stderr, "least: cannot %s %s: %s\n", verb, what, strerror(errno));
    exit(2);
}

static char *text(const char *format, ...) {
    char *made;
    va_list args;
    va_start(args, format);
    if (vasprintf(&made, format, args) < 0) die("allocate", "memory");
    va_end(args);
    return made;
}

/* Opens a path inside a root, following no link; -1 where there is none. */
static int inside(int root, const char *path, int flags) {
    struct open_how how = {
        .flags = (unsigned)(flags | O_CLOEXEC),
        .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
    };
    int fd = (int)syscall(SYS_openat2, root, path, &how, sizeof how);
    if (fd < 0 && errno != ENOENT) die("open", path);
    return fd;
}

static int directory(int root, const char *path) {
    int fd = inside(root, path, O_PATH | O_DIRECTORY);
    if (fd < 0) die("open", path);
    return fd;
}

/* Reads a whole file and what stands in its inode; NULL where there is none. */
static char *slurp(int root, const char *path, struct stat *attrs, size_t *size) {
    int fd = inside(root, path, O_RDONLY);
    if (fd < 0) return NULL;
    if (fstat(fd, attrs) < 0 || !S_ISREG(attrs->st_mode)) die("stat", path);
    char *bytes = malloc((size_t)attrs->st_size + 1);
    if (!bytes) die("allocate", "memory");
    ssize_t got = read(fd, bytes, (size_t)attrs->st_size + 1);
    if (got < 0) die("read", path);
    close(fd);
    *size = (size_t)got;
    return bytes;
}

static void put(int fd, const char *bytes, size_t size, const char *what) {
    while (size > 0) {
        ssize_t done = write(fd, bytes, size);
        if (done < 0) die("write", what);
        bytes += done;
        size -= (size_t)done;
    }
}

static void read_reference(const char *reference) {
    int root = open(reference, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (root < 0) die("open", reference);
    for (size_t i = 0; i < FILES; i++) {
        char *path = text("%s/%s", files[i].dir, files[i].name);
        files[i].bytes = slurp(root, path, &files[i].attrs, &files[i].size);
        if (!files[i].bytes) die("read the reference's", path);
        free(path);
    }
    close(root);
}

/* Lists /etc once and keeps the services: the glob /etc/{xivo,wazo}-* without a look at each. */
static void list_services(int root) {
    int fd = inside(root, "etc", O_RDONLY | O_DIRECTORY);
    DIR *etc = fd < 0 ? NULL : fdopendir(fd);
    if (!etc) die("list", "etc");
    size_t room = 0;
    for (struct dirent *entry; (entry = readdir(etc));) {
        if (strncmp(entry->d_name, "wazo-", 5) != 0 && strncmp(entry->d_name, "xivo-", 5) != 0) continue;
        if (count == room) {
            room = room ? 2 * room : 64;
            services = realloc(services, room * sizeof *services);
            if (!services) die("allocate", "memory");
        }
        services[count++] = text("etc/%s/conf.d", entry->d_name);
    }
    closedir(etc);
}

/* Tells whether a directory holds a file that the daemon would read beside ours. */
static int masked(int dir) {
    static char names[65536];
    for (;;) {
        long got = syscall(SYS_getdents64, dir, names, sizeof names);
        if (got < 0) die("list", "conf.d");
        if (got == 0) return 0;
        for (long at = 0; at < got;) {
            struct dirent64 *entry = (struct dirent64 *)(names + at);
            const char *suffix = strrchr(entry->d_name, '.');
            if (suffix && strcmp(suffix, ".yml") == 0 && strcmp(entry->d_name, LINK_NAME) != 0) return 1;
            at += entry->d_reclen;
        }
    }
}

/* Tells whether the daemon has a configuration of its own, which could name another directory. */
static int moved(int root, const char *conf_d) {
    char path[512];
    snprintf(path, sizeof path, "%.*s/config.yml", (int)(strrchr(conf_d, '/') - conf_d), conf_d);
    int fd = inside(root, path, O_PATH | O_NOFOLLOW);
    if (fd < 0) return 0;
    close(fd);
    return 1;
}

static int check(int root, int in_force) {
    int wrong = 0;
    for (size_t i = 0; i < FILES; i++) {
        struct stat attrs;
        size_t size;
        char *path = text("%s/%s", files[i].dir, files[i].name);
        char *bytes = slurp(root, path, &attrs, &size);
        wrong |= !bytes || size != files[i].size || memcmp(bytes, files[i].bytes, size) != 0 ||
                 attrs.st_mode != files[i].attrs.st_mode || attrs.st_uid != files[i].attrs.st_uid ||
                 attrs.st_gid != files[i].attrs.st_gid;
        free(bytes);
        free(path);
    }
    for (size_t i = 0; i < count; i++) {
        char target[sizeof LINK_TARGET + 1];
        struct statx found;
        int dir = inside(root, services[i], (in_force ? O_RDONLY : O_PATH) | O_DIRECTORY);
        if (dir < 0) die("open", services[i]);
        wrong |= in_force && (masked(dir) || moved(root, services[i]));
        wrong |= statx(dir, LINK_NAME, AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, &found) < 0 || !S_ISLNK(found.stx_mode) ||
                 readlinkat(dir, LINK_NAME, target, sizeof target) != (ssize_t)strlen(LINK_TARGET) ||
                 memcmp(target, LINK_TARGET, strlen(LINK_TARGET)) != 0;
        close(dir);
    }
    return wrong;
}

static void make_directories(int root, const char *path) {
    char *names = text("%s", path);
    int dir = directory(root, ".");
    for (char *rest = names, *name; (name = strsep(&rest, "/"));) {
        if (mkdirat(dir, name, 0755) < 0 && errno != EEXIST) die("make", path);
        int next = directory(dir, name);
        close(dir);
        dir = next;
    }
    close(dir);
    free(names);
}

/* Writes down what is there before: a copy of each file, and one list of the names that are not there yet. */
static void save(int root) {
    make_directories(root, SAVED);
    int saved = directory(root, SAVED);
    int list = openat(saved, "absent", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (list < 0) die("make", SAVED "/absent");
    FILE *absent = fdopen(list, "w");
    if (!absent) die("write", SAVED "/absent");
    for (size_t i = 0; i < FILES; i++) {
        struct stat attrs;
        size_t size;
        char *path = text("%s/%s", files[i].dir, files[i].name);
        char *bytes = slurp(root, path, &attrs, &size);
        if (bytes) {
            char *name = text("%zu", i);
            int fd = openat(saved, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
            if (fd < 0) die("make", name);
            put(fd, bytes, size, name);
            close(fd);
            free(name);
        } else {
            fprintf(absent, "%s\n", path);
        }
        free(bytes);
        free(path);
    }
    for (size_t i = 0; i < count; i++) {
        struct statx found;
        int dir = directory(root, services[i]);
        if (statx(dir, LINK_NAME, AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, &found) == 0) {
            errno = EEXIST;
            die("make", services[i]);
        }
        fprintf(absent, "%s/" LINK_NAME "\n", services[i]);
        /* Staged in the same visit: the list is durable no later than the links, and a stray staged name harms none. */
        if (symlinkat(LINK_TARGET, dir, STAGED) < 0) die("stage in", services[i]);
        close(dir);
    }
    if (fclose(absent) != 0) die("write", SAVED "/absent");
    close(saved);
}

static void stage_files(int root) {
    for (size_t i = 0; i < FILES; i++) {
        make_directories(root, files[i].dir);
        char *name = text(STAGED "-%zu", i);
        int dir = directory(root, files[i].stage);
        int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (fd < 0) die("stage", files[i].name);
        put(fd, files[i].bytes, files[i].size, files[i].name);
        if (fchown(fd, files[i].attrs.st_uid, files[i].attrs.st_gid) < 0) die("give away", files[i].name);
        if (fchmod(fd, files[i].attrs.st_mode & 07777) < 0) die("set the mode of", files[i].name);
        close(fd);
        close(dir);
        free(name);
    }
}

/* Directories are opened again rather than held: 100,000 descriptors are more than a process may hold. */
static void switch_over(int root) {
    for (size_t i = 0; i < FILES; i++) {
        char *name = text(STAGED "-%zu", i);
        int from = directory(root, files[i].stage), to = directory(root, files[i].dir);
        if (renameat(from, name, to, files[i].name) < 0) die("switch", files[i].name);
        close(from);
        close(to);
        free(name);
    }
    for (size_t i = 0; i < count; i++) {
        int dir = directory(root, services[i]);
        if (renameat(dir, STAGED, dir, LINK_NAME) < 0) die("switch", services[i]);
        close(dir);
    }
}

static void apply(int root) {
    int whole = inside(root, ".", O_RDONLY | O_DIRECTORY);
    if (whole < 0) die("open", "the root");
    save(root);
    stage_files(root);
    if (syncfs(whole) < 0) die("sync", "what is staged");
    switch_over(root);
    if (syncfs(whole) < 0) die("sync", "what is switched");
    close(whole);
}

static int peak(char **command) {
    struct rusage used;
    int status;
    pid_t child = fork();
    if (child < 0) die("fork for", command[0]);
    if (child == 0) {
        /* The figure alone belongs on standard output. */
        int nowhere = open("/dev/null", O_WRONLY);
        if (nowhere >= 0 && dup2(nowhere, STDOUT_FILENO) >= 0) execvp(command[0], command);
        die("run", command[0]);
    }
    if (wait4(child, &status, 0, &used) < 0) die("wait for", command[0]);
    printf("%ld\n", used.ru_maxrss);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 2;
}

int main(int argc, char **argv) {
    if (argc >= 3 && strcmp(argv[1], "peak") == 0) return peak(argv + 2);
    int known = argc == 4 && (strcmp(argv[1], "check") == 0 || strcmp(argv[1], "links") == 0 || strcmp(argv[1], "apply") == 0);
    if (!known) {
        fputs("usage: least check|links|apply ROOT REFERENCE | least peak COMMAND...\n", stderr);
        return 2;
    }
    struct timespec from, to;
    clock_gettime(CLOCK_MONOTONIC, &from);
    int wrong = 0;
    int root = open(argv[2], O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (root < 0) die("open", argv[2]);
    read_reference(argv[3]);
    list_services(root);
    if (argv[1][0] == 'a')
        apply(root);
    else
        wrong = check(root, argv[1][0] == 'c');
    clock_gettime(CLOCK_MONOTONIC, &to);
    printf("%lld\n", (to.tv_sec - from.tv_sec) * 1000000000LL + (to.tv_nsec - from.tv_nsec));
    return wrong;
}
