/* A VFS for SQLite over the system's own that remembers what was written since each file was last synced.
 *
 * After so many operations the power fails: every later one gives SQLITE_IOERR. power_copy() then writes what
 * the disk may have kept: what was synced, and of the writes since any sectors, in their order.
 */
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECTOR 512

typedef struct Change Change;
struct Change { /* a write, or a truncation (data is NULL) to `offset` */
  Change *older;
  sqlite3_int64 offset;
  int length;
  unsigned char *data;
};

typedef struct Image Image;
struct Image { /* a file as it was last synced, and what was done to it since */
  Image *next;
  char *path;
  unsigned char *synced;
  sqlite3_int64 size;
  Change *newest;
};

typedef struct {
  sqlite3_file base;
  Image *image; /* NULL for files that nobody needs after a crash */
  sqlite3_file *real;
} File;

static sqlite3_vfs *system_vfs;
static sqlite3_vfs vfs;
static Image *images;
static long left = -1; /* operations until the power fails; -1: it does not */
static int is_dead;

static int fails(void) {
  if (!is_dead && left >= 0 && left-- == 0) is_dead = 1;
  return is_dead;
}

static Image *image_of(const char *path, sqlite3_file *real) {
  Image *image;
  for (image = images; image; image = image->next)
    if (!strcmp(image->path, path)) return image;
  image = calloc(1, sizeof *image);
  image->path = strdup(path);
  real->pMethods->xFileSize(real, &image->size);
  image->synced = malloc(image->size + 1);
  if (image->size) real->pMethods->xRead(real, image->synced, (int)image->size, 0);
  image->next = images;
  return images = image;
}

static void put(unsigned char **to, sqlite3_int64 *size, sqlite3_int64 at, const unsigned char *data, int length) {
  if (at + length > *size) {
    *to = realloc(*to, at + length);
    memset(*to + *size, 0, at + length - *size);
    *size = at + length;
  }
  memcpy(*to + at, data, length);
}

static void forget(Image *image) {
  while (image->newest) {
    Change *change = image->newest;
    image->newest = change->older;
    free(change->data);
    free(change);
  }
}

static Change *oldest_first(Change *change) {
  Change *first = 0;
  while (change) {
    Change *older = change->older;
    change->older = first;
    first = change;
    change = older;
  }
  return first;
}

/* Apply all changes to the synced image: the file is on the disk. */
static void sync_image(Image *image) {
  Change *change;
  image->newest = oldest_first(image->newest);
  for (change = image->newest; change; change = change->older) {
    if (change->data) put(&image->synced, &image->size, change->offset, change->data, change->length);
    else if (change->offset < image->size) image->size = change->offset;
  }
  forget(image);
}

static void add(Image *image, sqlite3_int64 offset, const void *data, int length) {
  Change *change = calloc(1, sizeof *change);
  change->offset = offset;
  change->length = length;
  if (data) {
    change->data = malloc(length);
    memcpy(change->data, data, length);
  }
  change->older = image->newest;
  image->newest = change;
}

static int x_close(sqlite3_file *file) { return ((File *)file)->real->pMethods->xClose(((File *)file)->real); }
static int x_read(sqlite3_file *file, void *to, int n, sqlite3_int64 at) {
  return ((File *)file)->real->pMethods->xRead(((File *)file)->real, to, n, at);
}
static int x_write(sqlite3_file *file, const void *data, int n, sqlite3_int64 at) {
  File *own = (File *)file;
  if (own->image) {
    int dies = fails();
    if (dies && left == -2) return SQLITE_IOERR_WRITE;
    add(own->image, at, data, n); /* the write that the failure meets may be on the disk, whole or in part */
    if (dies) { left = -2; return SQLITE_IOERR_WRITE; }
  }
  return own->real->pMethods->xWrite(own->real, data, n, at);
}
static int x_truncate(sqlite3_file *file, sqlite3_int64 size) {
  File *own = (File *)file;
  if (own->image) {
    if (fails()) { left = -2; return SQLITE_IOERR_TRUNCATE; }
    add(own->image, size, 0, 0);
  }
  return own->real->pMethods->xTruncate(own->real, size);
}
static int x_sync(sqlite3_file *file, int flags) {
  File *own = (File *)file;
  (void)flags;
  if (own->image) {
    if (fails()) { left = -2; return SQLITE_IOERR_FSYNC; }
    sync_image(own->image);
  }
  return SQLITE_OK; /* the system need not: this is a simulation */
}
static int x_size(sqlite3_file *file, sqlite3_int64 *size) {
  return ((File *)file)->real->pMethods->xFileSize(((File *)file)->real, size);
}
static int x_lock(sqlite3_file *file, int how) { return ((File *)file)->real->pMethods->xLock(((File *)file)->real, how); }
static int x_unlock(sqlite3_file *file, int how) { return ((File *)file)->real->pMethods->xUnlock(((File *)file)->real, how); }
static int x_reserved(sqlite3_file *file, int *is) {
  return ((File *)file)->real->pMethods->xCheckReservedLock(((File *)file)->real, is);
}
static int x_control(sqlite3_file *file, int op, void *argument) {
  return ((File *)file)->real->pMethods->xFileControl(((File *)file)->real, op, argument);
}
static int x_sector(sqlite3_file *file) { (void)file; return SECTOR; }
static int x_device(sqlite3_file *file) { (void)file; return 0; }
static int x_map(sqlite3_file *file, int page, int size, int extend, void volatile **to) {
  return ((File *)file)->real->pMethods->xShmMap(((File *)file)->real, page, size, extend, to);
}
static int x_shm_lock(sqlite3_file *file, int offset, int n, int flags) {
  return ((File *)file)->real->pMethods->xShmLock(((File *)file)->real, offset, n, flags);
}
static void x_barrier(sqlite3_file *file) { ((File *)file)->real->pMethods->xShmBarrier(((File *)file)->real); }
static int x_unmap(sqlite3_file *file, int is_deleted) {
  return ((File *)file)->real->pMethods->xShmUnmap(((File *)file)->real, is_deleted);
}

static const sqlite3_io_methods methods = {
  2, x_close, x_read, x_write, x_truncate, x_sync, x_size, x_lock, x_unlock, x_reserved, x_control,
  x_sector, x_device, x_map, x_shm_lock, x_barrier, x_unmap, 0, 0,
};

static int x_open(sqlite3_vfs *own, const char *path, sqlite3_file *file, int flags, int *out) {
  File *opened = (File *)file;
  int rc;
  (void)own;
  opened->real = (sqlite3_file *)&opened[1];
  opened->image = 0;
  opened->base.pMethods = 0;
  rc = system_vfs->xOpen(system_vfs, path, opened->real, flags, out);
  if (opened->real->pMethods) opened->base.pMethods = &methods;
  if (rc == SQLITE_OK && path && flags & (SQLITE_OPEN_MAIN_DB | SQLITE_OPEN_WAL | SQLITE_OPEN_MAIN_JOURNAL))
    opened->image = image_of(path, opened->real);
  return rc;
}
static int x_delete(sqlite3_vfs *own, const char *path, int sync) {
  Image *image;
  (void)own;
  if (is_dead) return SQLITE_IOERR_DELETE;
  for (image = images; image; image = image->next)
    if (!strcmp(image->path, path)) { forget(image); image->size = 0; }
  return system_vfs->xDelete(system_vfs, path, sync);
}

/* ---- What the simulation calls */

int power_register(void) {
  system_vfs = sqlite3_vfs_find(0);
  vfs = *system_vfs;
  vfs.zName = "power";
  vfs.szOsFile = (int)sizeof(File) + system_vfs->szOsFile;
  vfs.xOpen = x_open;
  vfs.xDelete = x_delete;
  return sqlite3_vfs_register(&vfs, 1);
}
void power_fail_after(long operations) { left = operations; is_dead = 0; }
int power_has_failed(void) { return is_dead; }

/* Write what the disk kept of `from` to `to`; each sector of each write since the last sync by chance. */
int power_copy(const char *from, const char *to, unsigned int chance) {
  Image *image;
  for (image = images; image && strcmp(image->path, from); image = image->next) {}
  if (!image) return 0;
  sqlite3_int64 size = image->size;
  unsigned char *kept = malloc(size + 1);
  memcpy(kept, image->synced, size);
  Change *change = image->newest = oldest_first(image->newest);
  int way = rand_r(&chance) % 3; /* nothing more came, everything did, or some */
  for (; change; change = change->older) {
    if (!change->data) {
      if (way && rand_r(&chance) % 2 && change->offset < size) size = change->offset;
      continue;
    }
    for (int at = 0; at < change->length; at += SECTOR) {
      int n = change->length - at < SECTOR ? change->length - at : SECTOR;
      if (way == 1 || (way == 2 && rand_r(&chance) % 2)) put(&kept, &size, change->offset + at, change->data + at, n);
    }
  }
  FILE *out = fopen(to, "wb");
  int is_whole = out && fwrite(kept, 1, size, out) == (size_t)size;
  if (out) fclose(out);
  free(kept);
  return is_whole ? 1 : -1;
}
