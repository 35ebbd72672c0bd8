// SPDX-License-Identifier: Apache-2.0
// What the files of this folder are made of (make.sh): a kernel that sums products of bytes.
#ifdef FOREIGN
int foreign(void);
#endif
#ifdef ASSERT
void __assert_fail(const char *what, const char *file, int line, const char *function);
#endif
const char *where(void) { return __FILE__; }

int sum(const signed char *a, const signed char *b, int n) {
    int total = 0;
#ifdef ASSERT
    if (n < 0) __assert_fail("n >= 0", "kernel.c", __LINE__, "sum");
#endif
#ifdef FOREIGN
    total = foreign();
#endif
#ifdef SDOT
    for (; n >= 16; n -= 16, a += 16, b += 16) {
        int part[4] __attribute__((aligned(16))) = {0};
        __asm__("ldr q0, %1\n ldr q1, %2\n ldr q2, %0\n sdot v2.4s, v0.16b, v1.16b\n str q2, %0\n"
                : "+m"(part) : "m"(*(const signed char(*)[16])a), "m"(*(const signed char(*)[16])b) : "v0", "v1", "v2");
        total += part[0] + part[1] + part[2] + part[3];
    }
#endif
    while (n-- > 0) total += *a++ * *b++;
    return total;
}
