/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runtime of the bare guests: freestanding programs that exercise a virtual
 * machine monitor without an operating system. They are ELF64 images for PVH and
 * for the Linux 64-bit boot protocol (NAME-lb64.elf: the latter alone), run at
 * CPL 3 and take their arguments from the kernel command line as key=value.
 * Words every guest knows: tsc_khz=N, e9 (console copied to port 0xe9),
 * debug_exit=PORT (QEMU's isa-debug-exit, 0 for success), nopci, nommio, noindirect, noevent,
 * wait (begin when something is typed on COM1), ecam (PCI by the window MCFG names instead of ports; ecam=ADDRESS: by this one).
 *
 * Lines end with '\n' and go to COM1. A guest that succeeds powers off through
 * ACPI. One that does not prints "FAIL: reason", reports a panic to pvpanic
 * (port 0x505) and resets.
 *
 * hello    'H' by its first instructions, then "ello", power-off. end=poweroff|
 *          reset|i8042|triple|panic|halt chooses another ending
 * idle     "ready", then halts for ever with interrupts off
 * blk      mode=rand|seq rw=r|w bs=BYTES qd=N and n=REQUESTS or [m]secs=T:
 *          "begin", "end n=N bytes=N cycles=N", and where the TSC's frequency is
 *          known "iops=N mibs=N". mode=verify seed=N n=ROUNDS span=MiB destroys
 *          the disk's first MiBs: "verify ok rounds=N". disk=N: not the first disk;
 *          queues=N: so many are made ready, though one is used; irq: takes the
 *          disk's interrupts (MSI-X) too, "irqs=N"
 * echo     "ready", then types back what is typed: up to a comma by interrupts,
 *          "interrupts ok n=N", then up to a full stop by polling, "polling ok"
 * devices  "ready", also on the first virtio console, once each of entropy device,
 *          console, balloon and disk has done something; does what the balloon is
 *          told, and what letters typed on console or COM1 say: w (work: "worked"), f
 *          (flood the console: "flooded"), q (power off: "bye"), r (reset), p (panic), t
 *          (triple fault), x (run where nothing is)
 * chaos    seed=N n=OPERATIONS areas=LETTERS (p ports, c PCI configuration,
 *          b BARs, v virtio registers and rings, m unclaimed memory; default all):
 *          "survived seed=N ops=N"
 * pio      n=N: "begin NAME" and "end NAME n=N cycles=N" for the names pio-read,
 *          pio-write, mmio-read and doorbell
 * smp      expect=N (0: report only): "cpus=N ids=..."
 * irq      "msix ok masked=1 pending=1" or, for virtio-mmio, "line ok"
 * mem      writes and reads back a word in every step=BYTES (64K) of all RAM, which
 *          faults it all in at the host, so give a large step to large machines:
 *          "mem ok bytes=N highest=ADDRESS"
 * info     what the boot protocol, ACPI, PCI and virtio-mmio offer, one per line
 */
#ifndef GUEST_RT_H
#define GUEST_RT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RT_ARRAY(a) (sizeof(a) / sizeof((a)[0]))
#define RT_PAGE	    4096u

struct rt_region {
	uint64_t base;
	uint64_t len;
	uint32_t type; /* 1: RAM */
};

struct rt_info {
	const char *protocol; /* "pvh" or "linux" */
	const char *cmdline;
	struct rt_region map[64];
	unsigned int n_map;
	uint64_t rsdp; /* 0: none */
	uint64_t ecam; /* from MCFG, 0: none */
	uint16_t pm1a_cnt;
	uint8_t s5_typ;
	uint64_t sleep_reg; /* of a hardware-reduced machine */
	uint8_t sleep_is_io;
	uint64_t reset_reg; /* from the FADT, 0: none */
	uint8_t reset_is_io;
	uint8_t reset_value;
	unsigned int n_cpus; /* from MADT */
};
extern struct rt_info rt;

/* What the trap stubs push, lowest address first. */
struct rt_frame {
	uint64_t r15, r14, r13, r12, r11, r10, r9, r8;
	uint64_t rdi, rsi, rbp, rbx, rdx, rcx, rax;
	uint64_t vector, error, rip, cs, rflags, rsp, ss;
};

extern char rt_image_start[], rt_image_end[];
extern uint64_t rt_pml4[512];
extern volatile uint64_t rt_irqs[256]; /* interrupts taken, by vector */
/* CPUID 0x80000001 EDX, as asked at CPL 0: not every KVM answers for the VM at CPL 3. */
extern uint32_t rt_features;
extern uint8_t rt_ap_start[], rt_ap_seen[], rt_ap_end[];

/* The guest itself; returning powers off. */
void guest_main(void);

/* console and end of the machine */
void rt_putc(char c);
void rt_puts(const char *s);
void rt_printf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void rt_fail(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));
void rt_poweroff(void) __attribute__((noreturn));
void rt_reset(void) __attribute__((noreturn));
void rt_triple_fault(void) __attribute__((noreturn));
void rt_panic(void) __attribute__((noreturn));

/* command line */
bool rt_word(const char *word);
uint64_t rt_arg(const char *key, uint64_t dflt); /* decimal or 0x, K/M/G suffix */
bool rt_arg_is(const char *key, const char *value);
uint64_t rt_number(const char **s);	 /* decimal or 0x, leaves s behind it */
const char *rt_arg_str(const char *key); /* up to the next blank, or NULL */

/* kernel mode services */
void rt_halt(void);
void rt_irq_on(void);
void rt_irq_off(void);
void rt_load_empty_idt(void);
void rt_run_nowhere(void); /* no KVM can: it gives up */

/* memory: cleared, for ever */
void *rt_alloc(size_t len, size_t align);
bool rt_is_ram(uint64_t gpa, uint64_t len);
uint64_t rt_ram_end(void);		 /* of the region the image is in */
void rt_map(uint64_t gpa, uint64_t len); /* before touching anything above 4 GiB */

/* time */
uint64_t rt_tsc_khz(void); /* 0: unknown */
static inline uint64_t rt_rdtsc(void)
{
	uint32_t lo, hi;

	__asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi)::"memory");
	return (uint64_t)hi << 32 | lo;
}

/* repeatable random numbers (xorshift64*) */
struct rt_rand {
	uint64_t s;
};
static inline uint64_t rt_rand(struct rt_rand *r)
{
	r->s ^= r->s >> 12;
	r->s ^= r->s << 25;
	r->s ^= r->s >> 27;
	return r->s * 0x2545f4914f6cdd1dull;
}

/* ports */
static inline void rt_outb(uint16_t port, uint8_t v)
{
	__asm__ volatile("outb %0, %1" ::"a"(v), "Nd"(port) : "memory");
}
static inline void rt_outw(uint16_t port, uint16_t v)
{
	__asm__ volatile("outw %0, %1" ::"a"(v), "Nd"(port) : "memory");
}
static inline void rt_outl(uint16_t port, uint32_t v)
{
	__asm__ volatile("outl %0, %1" ::"a"(v), "Nd"(port) : "memory");
}
static inline uint8_t rt_inb(uint16_t port)
{
	uint8_t v;

	__asm__ volatile("inb %1, %0" : "=a"(v) : "Nd"(port) : "memory");
	return v;
}
static inline uint16_t rt_inw(uint16_t port)
{
	uint16_t v;

	__asm__ volatile("inw %1, %0" : "=a"(v) : "Nd"(port) : "memory");
	return v;
}
static inline uint32_t rt_inl(uint16_t port)
{
	uint32_t v;

	__asm__ volatile("inl %1, %0" : "=a"(v) : "Nd"(port) : "memory");
	return v;
}

/* device registers: one access of the named size, by plain mov */
#define RT_MMIO(bits, reg)                                                         \
	static inline uint##bits##_t rt_r##bits(uint64_t a)                        \
	{                                                                          \
		uint##bits##_t v;                                                  \
		__asm__ volatile("mov (%1), %0" : "=" reg(v) : "r"(a) : "memory"); \
		return v;                                                          \
	}                                                                          \
	static inline void rt_w##bits(uint64_t a, uint##bits##_t v)                \
	{                                                                          \
		__asm__ volatile("mov %0, (%1)" ::reg(v), "r"(a) : "memory");      \
	}
RT_MMIO(8, "q")
RT_MMIO(16, "r")
RT_MMIO(32, "r")
RT_MMIO(64, "r")

static inline void rt_barrier(void)
{
	__asm__ volatile("" ::: "memory");
}
static inline void rt_fence(void)
{
	__asm__ volatile("lock addl $0, -8(%%rsp)" ::: "memory", "cc");
}
static inline void rt_pause(void)
{
	__asm__ volatile("pause" ::: "memory");
}
static inline void rt_cpuid(uint32_t leaf, uint32_t sub, uint32_t r[4])
{
	__asm__ volatile("cpuid"
			 : "=a"(r[0]), "=b"(r[1]), "=c"(r[2]), "=d"(r[3])
			 : "a"(leaf), "c"(sub));
}

void *memset(void *p, int c, size_t n);
void *memcpy(void *d, const void *s, size_t n);
int memcmp(const void *a, const void *b, size_t n);
size_t strlen(const char *s);

/* boot.c and acpi.c, called by rt_start() */
void rt_boot_parse(unsigned int protocol, uint64_t info);
void rt_acpi_parse(void);
uint64_t rt_acpi_find(const char sig[4]);

/* local APIC, in its page at 0xfee00000 */
#define RT_LAPIC 0xfee00000ull
static inline uint32_t rt_lapic_read(unsigned int reg)
{
	return rt_r32(RT_LAPIC + reg);
}
static inline void rt_lapic_write(unsigned int reg, uint32_t v)
{
	rt_w32(RT_LAPIC + reg, v);
}
/* This processor takes interrupts of all priorities. */
static inline void rt_lapic_on(void)
{
	rt_lapic_write(0xf0, 0x1ff); /* SVR */
	rt_lapic_write(0x80, 0);     /* TPR */
}

#endif
