/* SPDX-License-Identifier: MIT */
/* The part of the server that is in C: a width of 0 writes through a pointer that was never set. */
struct image {
    int width;
    int *pixels;
};

static volatile int sink;

__attribute__((noinline)) static void fill_pixels(struct image *image)
{
    image->pixels[3] = image->width;
    sink++;
}

int resize_image(int width)
{
    static int room[16];
    struct image image = {width, width > 0 ? room : 0};
    fill_pixels(&image);
    sink++;
    return image.width;
}
