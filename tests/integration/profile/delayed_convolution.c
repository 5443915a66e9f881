/* Loaded before MXNet: delays the convolution of MKL-DNN 0.x whose weights have this shape, and nothing else. The types
   and numbers are those of MKL-DNN's include/mkldnn.h and mkldnn_types.h, version 0.19. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stddef.h>
#include <time.h>

#define DELAY_NS 3000000
#define QUERY_CONVOLUTION 67
#define QUERY_WEIGHTS 133

static const int DELAYED[4] = {32, 16, 3, 3};

typedef struct {
    int kind, dimensions, sizes[12];
} memory_description;

static void *own(const char *name) {
    return dlsym(dlopen("libmkldnn.so.0", RTLD_NOLOAD | RTLD_LAZY), name);
}

static int is_delayed(void *primitive) {
    int (*description_of)(void *, void **) = own("mkldnn_primitive_get_primitive_desc");
    int (*query)(void *, int, int, void *) = own("mkldnn_primitive_desc_query");
    void *(*part)(void *, int, int) = own("mkldnn_primitive_desc_query_pd");
    memory_description *(*memory)(void *) = own("mkldnn_primitive_desc_query_memory_d");
    void *description, *convolution;
    if (description_of(primitive, &description) || query(description, QUERY_CONVOLUTION, 0, &convolution))
        return 0;
    memory_description *weights = memory(part(description, QUERY_WEIGHTS, 0));
    if (weights == NULL || weights->dimensions != 4)
        return 0;
    for (int place = 0; place < 4; place++)
        if (weights->sizes[place] != DELAYED[place])
            return 0;
    return 1;
}

static long long now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

int mkldnn_stream_submit(void *stream, size_t count, void *primitives[], void **failed) {
    static int (*submit)(void *, size_t, void **, void **);
    if (submit == NULL)
        submit = own("mkldnn_stream_submit");
    for (size_t place = 0; place < count; place++)
        if (is_delayed(primitives[place]))
            for (long long end_ns = now_ns() + DELAY_NS; now_ns() < end_ns;)
                ;
    return submit(stream, count, primitives, failed);
}
