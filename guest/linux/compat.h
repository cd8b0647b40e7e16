/* SPDX-License-Identifier: GPL-2.0 */
/* What differs between the kernels that this driver is built for, 6.1 to 6.12; no other file looks at a version. */
#ifndef FERRY_BALLOON_COMPAT_H
#define FERRY_BALLOON_COMPAT_H

#include <linux/mmzone.h>
#include <linux/shrinker.h>
#include <linux/version.h>
#include <linux/virtio_config.h>

/* The largest order that the page allocator has, inclusive. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 8, 0)
#define FB_MAX_ORDER MAX_PAGE_ORDER
#elif LINUX_VERSION_CODE >= KERNEL_VERSION(6, 4, 0)
#define FB_MAX_ORDER MAX_ORDER
#else
#define FB_MAX_ORDER (MAX_ORDER - 1)
#endif

/* A queue that is not negotiated has no name. */
struct fb_queue_info {
	const char *name;
	vq_callback_t *callback;
};

#define FB_MAX_QUEUES 8

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 11, 0)
static inline int fb_find_vqs(struct virtio_device *vdev, unsigned int count, struct virtqueue **vqs,
			      const struct fb_queue_info *info)
{
	struct virtqueue_info found[FB_MAX_QUEUES] = { };
	unsigned int i;

	for (i = 0; i < count; i++) {
		found[i].name = info[i].name;
		found[i].callback = info[i].callback;
	}
	return virtio_find_vqs(vdev, count, vqs, found, NULL);
}
#else
static inline int fb_find_vqs(struct virtio_device *vdev, unsigned int count, struct virtqueue **vqs,
			      const struct fb_queue_info *info)
{
	vq_callback_t *callbacks[FB_MAX_QUEUES] = { };
	const char *names[FB_MAX_QUEUES] = { };
	unsigned int i;

	for (i = 0; i < count; i++) {
		names[i] = info[i].name;
		callbacks[i] = info[i].callback;
	}
	return virtio_find_vqs(vdev, count, vqs, callbacks, names, NULL);
}
#endif

/* Shrinkers: allocated by the kernel since 6.7. The owner finds itself by the pointer that it gave. */
struct fb_shrinker {
	unsigned long (*count)(void *opaque);
	unsigned long (*scan)(void *opaque, unsigned long wanted);
	void *opaque;
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 7, 0)
	struct shrinker *kernel;
#else
	struct shrinker kernel;
#endif
};

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 7, 0)
static inline struct fb_shrinker *fb_shrinker_of(struct shrinker *shrinker)
{
	return shrinker->private_data;
}
#else
static inline struct fb_shrinker *fb_shrinker_of(struct shrinker *shrinker)
{
	return container_of(shrinker, struct fb_shrinker, kernel);
}
#endif

static inline unsigned long fb_shrinker_count(struct shrinker *shrinker, struct shrink_control *sc)
{
	struct fb_shrinker *s = fb_shrinker_of(shrinker);

	return s->count(s->opaque);
}

static inline unsigned long fb_shrinker_scan(struct shrinker *shrinker, struct shrink_control *sc)
{
	struct fb_shrinker *s = fb_shrinker_of(shrinker);

	return s->scan(s->opaque, sc->nr_to_scan);
}

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 7, 0)
static inline int fb_shrinker_register(struct fb_shrinker *s)
{
	s->kernel = shrinker_alloc(0, "ferry-balloon");
	if (!s->kernel)
		return -ENOMEM;
	s->kernel->count_objects = fb_shrinker_count;
	s->kernel->scan_objects = fb_shrinker_scan;
	s->kernel->private_data = s;
	shrinker_register(s->kernel);
	return 0;
}

static inline void fb_shrinker_unregister(struct fb_shrinker *s)
{
	shrinker_free(s->kernel);
}
#else
static inline int fb_shrinker_register(struct fb_shrinker *s)
{
	s->kernel = (struct shrinker){
		.count_objects = fb_shrinker_count,
		.scan_objects = fb_shrinker_scan,
		.seeks = DEFAULT_SEEKS,
	};
	return register_shrinker(&s->kernel, "ferry-balloon");
}

static inline void fb_shrinker_unregister(struct fb_shrinker *s)
{
	unregister_shrinker(&s->kernel);
}
#endif

#endif
