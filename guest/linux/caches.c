// SPDX-License-Identifier: GPL-2.0
/*
 * Dropping caches when the host asks for it. What does it in the kernel is not exported; the file by which an
 * administrator does it is there for everybody. Whoever runs the guest may forbid it.
 */
#include <linux/fs.h>
#include <linux/module.h>

#include "ferry_balloon.h"

static bool forbid_drop_caches;
module_param(forbid_drop_caches, bool, 0644);
MODULE_PARM_DESC(forbid_drop_caches, "do not drop caches when the host asks for it (default: no)");

u32 fb_drop_caches(u32 wanted, u32 *refused)
{
	char text[] = { '0' + (wanted & 3), '\n' }; /* the file's bits are the protocol's */
	struct file *file;
	ssize_t written;
	loff_t at = 0;

	wanted &= VIRTIO_BALLOON_DROP_PAGECACHE | VIRTIO_BALLOON_DROP_SLAB;
	if (!wanted)
		return 0;
	if (READ_ONCE(forbid_drop_caches)) {
		*refused = wanted;
		return 0;
	}
	file = filp_open("/proc/sys/vm/drop_caches", O_WRONLY, 0);
	if (IS_ERR(file))
		return 0; /* no /proc here, or locked down */
	written = kernel_write(file, text, sizeof(text), &at);
	filp_close(file, NULL);
	return written == sizeof(text) ? wanted : 0;
}
