/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* libarchive, loaded when it is first needed: libxml2, ICU and a C++ library come with it,
 * and linking all that took 1.6 ms of every command, whether it reads archives or not.
 * Include this in place of <archive.h>, call archive_load() before anything else of it, and
 * write calls as usual. */

#include <archive.h>
#include <archive_entry.h>

#include "volt.h"

#define ARCHIVE_FUNCTIONS(X)                       \
	X(archive_entry_clear)                     \
	X(archive_entry_filetype)                  \
	X(archive_entry_free)                      \
	X(archive_entry_gid)                       \
	X(archive_entry_hardlink)                  \
	X(archive_entry_mtime)                     \
	X(archive_entry_mtime_nsec)                \
	X(archive_entry_new)                       \
	X(archive_entry_pathname)                  \
	X(archive_entry_perm)                      \
	X(archive_entry_rdevmajor)                 \
	X(archive_entry_rdevminor)                 \
	X(archive_entry_set_filetype)              \
	X(archive_entry_set_mtime)                 \
	X(archive_entry_set_pathname)              \
	X(archive_entry_set_perm)                  \
	X(archive_entry_set_size)                  \
	X(archive_entry_size)                      \
	X(archive_entry_symlink)                   \
	X(archive_entry_uid)                       \
	X(archive_entry_xattr_next)                \
	X(archive_entry_xattr_reset)               \
	X(archive_errno)                           \
	X(archive_error_string)                    \
	X(archive_filter_bytes)                    \
	X(archive_read_data)                       \
	X(archive_read_data_block)                 \
	X(archive_read_data_skip)                  \
	X(archive_read_free)                       \
	X(archive_read_new)                        \
	X(archive_read_next_header)                \
	X(archive_read_open)                       \
	X(archive_read_open_filename)              \
	X(archive_read_open_memory)                \
	X(archive_read_support_filter_by_code)     \
	X(archive_read_support_filter_bzip2)       \
	X(archive_read_support_filter_gzip)        \
	X(archive_read_support_filter_none)        \
	X(archive_read_support_filter_xz)          \
	X(archive_read_support_filter_zstd)        \
	X(archive_read_support_format_ar)          \
	X(archive_read_support_format_empty)       \
	X(archive_read_support_format_raw)         \
	X(archive_read_support_format_tar)         \
	X(archive_set_error)                       \
	X(archive_write_add_filter_gzip)           \
	X(archive_write_close)                     \
	X(archive_write_data)                      \
	X(archive_write_free)                      \
	X(archive_write_header)                    \
	X(archive_write_new)                       \
	X(archive_write_open_fd)                   \
	X(archive_write_set_bytes_in_last_block)   \
	X(archive_write_set_format_pax_restricted) \
	X(archive_write_set_options)

#define ARCHIVE_POINTER(f) typeof(f) *f;
struct archive_library {
	ARCHIVE_FUNCTIONS(ARCHIVE_POINTER)
};
#undef ARCHIVE_POINTER

/* Written by the first archive_load() that succeeds, constant afterwards. */
extern struct archive_library archive_library;

/* Once for the process; from several threads at once is fine. -ENOENT says what to install. */
int archive_load(struct volt_error *e);

#ifndef ARCHIVE_NO_REDIRECT
#define archive_entry_clear        (*archive_library.archive_entry_clear)
#define archive_entry_filetype     (*archive_library.archive_entry_filetype)
#define archive_entry_free         (*archive_library.archive_entry_free)
#define archive_entry_gid          (*archive_library.archive_entry_gid)
#define archive_entry_hardlink     (*archive_library.archive_entry_hardlink)
#define archive_entry_mtime        (*archive_library.archive_entry_mtime)
#define archive_entry_mtime_nsec   (*archive_library.archive_entry_mtime_nsec)
#define archive_entry_new          (*archive_library.archive_entry_new)
#define archive_entry_pathname     (*archive_library.archive_entry_pathname)
#define archive_entry_perm         (*archive_library.archive_entry_perm)
#define archive_entry_rdevmajor    (*archive_library.archive_entry_rdevmajor)
#define archive_entry_rdevminor    (*archive_library.archive_entry_rdevminor)
#define archive_entry_set_filetype (*archive_library.archive_entry_set_filetype)
#define archive_entry_set_mtime    (*archive_library.archive_entry_set_mtime)
#define archive_entry_set_pathname (*archive_library.archive_entry_set_pathname)
#define archive_entry_set_perm     (*archive_library.archive_entry_set_perm)
#define archive_entry_set_size     (*archive_library.archive_entry_set_size)
#define archive_entry_size         (*archive_library.archive_entry_size)
#define archive_entry_symlink      (*archive_library.archive_entry_symlink)
#define archive_entry_uid          (*archive_library.archive_entry_uid)
#define archive_entry_xattr_next   (*archive_library.archive_entry_xattr_next)
#define archive_entry_xattr_reset  (*archive_library.archive_entry_xattr_reset)
#define archive_errno              (*archive_library.archive_errno)
#define archive_error_string       (*archive_library.archive_error_string)
#define archive_filter_bytes       (*archive_library.archive_filter_bytes)
#define archive_read_data          (*archive_library.archive_read_data)
#define archive_read_data_block    (*archive_library.archive_read_data_block)
#define archive_read_data_skip     (*archive_library.archive_read_data_skip)
#define archive_read_free          (*archive_library.archive_read_free)
#define archive_read_new           (*archive_library.archive_read_new)
#define archive_read_next_header   (*archive_library.archive_read_next_header)
#define archive_read_open          (*archive_library.archive_read_open)
#define archive_read_open_filename (*archive_library.archive_read_open_filename)
#define archive_read_open_memory   (*archive_library.archive_read_open_memory)
#define archive_read_support_filter_by_code \
	(*archive_library.archive_read_support_filter_by_code)
#define archive_read_support_filter_bzip2 \
	(*archive_library.archive_read_support_filter_bzip2)
#define archive_read_support_filter_gzip \
	(*archive_library.archive_read_support_filter_gzip)
#define archive_read_support_filter_none \
	(*archive_library.archive_read_support_filter_none)
#define archive_read_support_filter_xz (*archive_library.archive_read_support_filter_xz)
#define archive_read_support_filter_zstd \
	(*archive_library.archive_read_support_filter_zstd)
#define archive_read_support_format_ar (*archive_library.archive_read_support_format_ar)
#define archive_read_support_format_empty \
	(*archive_library.archive_read_support_format_empty)
#define archive_read_support_format_raw (*archive_library.archive_read_support_format_raw)
#define archive_read_support_format_tar (*archive_library.archive_read_support_format_tar)
#define archive_set_error               (*archive_library.archive_set_error)
#define archive_write_add_filter_gzip   (*archive_library.archive_write_add_filter_gzip)
#define archive_write_close             (*archive_library.archive_write_close)
#define archive_write_data              (*archive_library.archive_write_data)
#define archive_write_free              (*archive_library.archive_write_free)
#define archive_write_header            (*archive_library.archive_write_header)
#define archive_write_new               (*archive_library.archive_write_new)
#define archive_write_open_fd           (*archive_library.archive_write_open_fd)
#define archive_write_set_bytes_in_last_block \
	(*archive_library.archive_write_set_bytes_in_last_block)
#define archive_write_set_format_pax_restricted \
	(*archive_library.archive_write_set_format_pax_restricted)
#define archive_write_set_options (*archive_library.archive_write_set_options)
#endif
