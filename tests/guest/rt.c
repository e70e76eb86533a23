/* SPDX-License-Identifier: BSD-3-Clause */
/* Console, command line, traps and memory of the bare guests. See rt.h. */
#include "rt.h"

#include <stdarg.h>

#define COM1	  0x3f8
#define DEBUGCON  0xe9
#define TRAP_NMI  2
#define TRAP_UD	  6
#define FLAG_IF	  0x200u
#define MAP_PAGES 64
#define MAP_TABLE 0x67u		/* present, writable, user, accessed, dirty */
#define NOWHERE	  0xd0000000ull /* no memory, no device */
#define MAP_LARGE 0x80u
#define SERVICE	  0x72743a73766321ull /* in rdi of a ud2 that asks for a service */

enum rt_service { RT_SVC_HALT, RT_SVC_IRQ_ON, RT_SVC_IRQ_OFF, RT_SVC_EMPTY_IDT, RT_SVC_NOWHERE };

struct rt_gate {
	uint16_t offset0;
	uint16_t selector;
	uint16_t type;
	uint16_t offset1;
	uint32_t offset2;
	uint32_t reserved;
};
extern struct rt_gate rt_idt[256];
extern char rt_stubs[];

struct rt_info rt;
volatile uint64_t rt_irqs[256];

static uint64_t heap;
static bool e9;

/* The compiler calls these; rep is fast at CPL 3. */
void *memset(void *p, int c, size_t n)
{
	void *d = p;

	__asm__ volatile("rep stosb" : "+D"(d), "+c"(n) : "a"(c) : "memory");
	return p;
}

void *memcpy(void *d, const void *s, size_t n)
{
	void *p = d;

	__asm__ volatile("rep movsb" : "+D"(p), "+S"(s), "+c"(n)::"memory");
	return d;
}

int memcmp(const void *a, const void *b, size_t n)
{
	const uint8_t *p = a, *q = b;

	for (size_t i = 0; i < n; i++) {
		if (p[i] != q[i])
			return p[i] - q[i];
	}
	return 0;
}

size_t strlen(const char *s)
{
	size_t n = 0;

	while (s[n])
		n++;
	return n;
}

void rt_putc(char c)
{
	rt_outb(COM1, (uint8_t)c);
	if (e9)
		rt_outb(DEBUGCON, (uint8_t)c);
}

void rt_puts(const char *s)
{
	while (*s)
		rt_putc(*s++);
}

static void put_number(uint64_t v, unsigned int base)
{
	char buf[24];
	unsigned int n = sizeof(buf);

	buf[--n] = 0;
	do {
		buf[--n] = "0123456789abcdef"[v % base];
		v /= base;
	} while (v);
	rt_puts(buf + n);
}

/* %s %c %u %x %lu %lx only: what a guest has to say. */
static void vprint(const char *fmt, va_list ap)
{
	for (; *fmt; fmt++) {
		bool wide = false;

		if (*fmt != '%') {
			rt_putc(*fmt);
			continue;
		}
		fmt++;
		if (*fmt == 'l') {
			wide = true;
			fmt++;
		}
		if (*fmt == 's')
			rt_puts(va_arg(ap, const char *));
		else if (*fmt == 'c')
			rt_putc((char)va_arg(ap, int));
		else
			put_number(wide ? va_arg(ap, uint64_t) : va_arg(ap, uint32_t),
				   *fmt == 'x' ? 16 : 10);
	}
}

void rt_printf(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vprint(fmt, ap);
	va_end(ap);
}

void rt_fail(const char *fmt, ...)
{
	va_list ap;

	rt_puts("FAIL: ");
	va_start(ap, fmt);
	vprint(fmt, ap);
	va_end(ap);
	rt_putc('\n');
	rt_panic();
}

static const char *find_word(const char *word, size_t len)
{
	const char *p = rt.cmdline;

	while (*p) {
		while (*p == ' ')
			p++;
		if (memcmp(p, word, len) == 0)
			return p + len;
		while (*p && *p != ' ')
			p++;
	}
	return NULL;
}

bool rt_word(const char *word)
{
	const char *end = find_word(word, strlen(word));

	return end && (*end == 0 || *end == ' ');
}

const char *rt_arg_str(const char *key)
{
	const char *end = find_word(key, strlen(key));

	return end && *end == '=' ? end + 1 : NULL;
}

bool rt_arg_is(const char *key, const char *value)
{
	const char *s = rt_arg_str(key);
	size_t len = strlen(value);

	return s && memcmp(s, value, len) == 0 && (s[len] == 0 || s[len] == ' ');
}

static unsigned int digit(char c)
{
	if (c >= '0' && c <= '9')
		return (unsigned int)(c - '0');
	if (c >= 'a' && c <= 'f')
		return (unsigned int)(c - 'a') + 10;
	return 99;
}

uint64_t rt_number(const char **s)
{
	unsigned int base = 10;
	uint64_t v = 0;

	if ((*s)[0] == '0' && (*s)[1] == 'x') {
		base = 16;
		*s += 2;
	}
	for (; digit(**s) < base; (*s)++)
		v = v * base + digit(**s);
	return v;
}

uint64_t rt_arg(const char *key, uint64_t dflt)
{
	const char *s = rt_arg_str(key);
	uint64_t v;

	if (!s)
		return dflt;
	v = rt_number(&s);
	if (*s == 'K')
		v <<= 10;
	else if (*s == 'M')
		v <<= 20;
	else if (*s == 'G')
		v <<= 30;
	return v;
}

/* An undefined instruction, because not every KVM has int from CPL 3. */
static void service(enum rt_service svc)
{
	__asm__ volatile("ud2" ::"a"(svc), "D"(SERVICE) : "memory");
}

void rt_halt(void)
{
	service(RT_SVC_HALT);
}

void rt_irq_on(void)
{
	service(RT_SVC_IRQ_ON);
}

void rt_irq_off(void)
{
	service(RT_SVC_IRQ_OFF);
}

void rt_load_empty_idt(void)
{
	service(RT_SVC_EMPTY_IDT);
}

void rt_run_nowhere(void)
{
	service(RT_SVC_NOWHERE);
}

static void serve(struct rt_frame *f)
{
	static const struct {
		uint16_t limit;
		uint64_t base;
	} __attribute__((packed)) empty;

	switch ((enum rt_service)f->rax) {
	case RT_SVC_HALT:
		/* sti takes effect after hlt has begun: no wake-up is lost. */
		if (f->rflags & FLAG_IF)
			__asm__ volatile("sti; hlt; cli" ::: "memory");
		else
			__asm__ volatile("hlt" ::: "memory");
		break;
	case RT_SVC_IRQ_ON:
		f->rflags |= FLAG_IF;
		break;
	case RT_SVC_IRQ_OFF:
		f->rflags &= ~(uint64_t)FLAG_IF;
		break;
	case RT_SVC_EMPTY_IDT:
		__asm__ volatile("lidt %0" ::"m"(empty));
		break;
	case RT_SVC_NOWHERE:
		__asm__ volatile("jmp *%0" ::"r"(NOWHERE));
		break;
	}
}

void rt_trap(struct rt_frame *f);
void rt_trap(struct rt_frame *f)
{
	uint64_t cr2;

	rt_irqs[f->vector & 0xff]++;
	if (f->vector == TRAP_UD && f->rdi == SERVICE) {
		f->rip += 2;
		serve(f);
		return;
	}
	if (f->vector >= 32) {
		rt_lapic_write(0xb0, 0);
		return;
	}
	if (f->vector == TRAP_NMI)
		return;
	__asm__ volatile("mov %%cr2, %0" : "=r"(cr2));
	rt_fail("trap %lu error %lx rip %lx address %lx", f->vector, f->error, f->rip, cr2);
}

static void idt_build(void)
{
	for (unsigned int i = 0; i < 256; i++) {
		/* A stub is at most 2 + 5 + 5 bytes, aligned to 16. */
		uint64_t addr = (uint64_t)rt_stubs + i * 16;

		rt_idt[i].offset0 = (uint16_t)addr;
		rt_idt[i].selector = 0x08;
		rt_idt[i].type = 0x8e00;
		rt_idt[i].offset1 = (uint16_t)(addr >> 16);
	}
}

static uint64_t *map_page(void)
{
	static uint64_t pool[MAP_PAGES][512] __attribute__((aligned(4096)));
	static unsigned int used;

	if (used == MAP_PAGES)
		rt_fail("out of page tables");
	return pool[used++];
}

/* Every KVM has 2 MiB pages; those of 1 GiB, which rt.S maps with, not all. */
void rt_map(uint64_t gpa, uint64_t len)
{
	for (uint64_t g = gpa >> 30; len && g <= (gpa + len - 1) >> 30; g++) {
		uint64_t *top = &rt_pml4[g >> 9 & 511], *e, *pd;

		if (!*top)
			*top = (uint64_t)map_page() | MAP_TABLE;
		e = (uint64_t *)(*top & ~(uint64_t)0xfff) + (g & 511);
		if (*e && !(*e & MAP_LARGE))
			continue;
		pd = map_page();
		for (uint64_t i = 0; i < 512; i++)
			pd[i] = g << 30 | i << 21 | MAP_TABLE | MAP_LARGE;
		*e = (uint64_t)pd | MAP_TABLE;
	}
}

bool rt_is_ram(uint64_t gpa, uint64_t len)
{
	for (unsigned int i = 0; i < rt.n_map; i++) {
		const struct rt_region *r = &rt.map[i];

		if (r->type == 1 && gpa < r->base + r->len && r->base < gpa + len)
			return true;
	}
	return false;
}

uint64_t rt_ram_end(void)
{
	uint64_t here = (uint64_t)rt_image_start;

	for (unsigned int i = 0; i < rt.n_map; i++) {
		const struct rt_region *r = &rt.map[i];

		if (r->type == 1 && here >= r->base && here - r->base < r->len)
			return r->base + r->len;
	}
	rt_fail("the memory map does not cover the image");
}

void *rt_alloc(size_t len, size_t align)
{
	uint64_t p = (heap + align - 1) & ~(uint64_t)(align - 1);

	if (p + len > rt_ram_end())
		rt_fail("out of memory");
	heap = p + len;
	/* Memory of a new machine is clear; writing faults it in here, not later. */
	memset((void *)p, 0, len);
	return (void *)p;
}

uint64_t rt_tsc_khz(void)
{
	uint32_t r[4];
	uint64_t khz = rt_arg("tsc_khz", 0);

	if (khz)
		return khz;
	rt_cpuid(0x40000000, 0, r);
	if (r[0] >= 0x40000010 && r[0] < 0x40010000) {
		rt_cpuid(0x40000010, 0, r);
		if (r[0])
			return r[0];
	}
	rt_cpuid(0, 0, r);
	if (r[0] < 0x15)
		return 0;
	rt_cpuid(0x15, 0, r);
	return r[0] && r[2] ? (uint64_t)r[2] * r[1] / r[0] / 1000 : 0;
}

static void wait_for_key(void)
{
	while (!(rt_inb(COM1 + 5) & 1))
		;
	(void)rt_inb(COM1);
}

void rt_start(unsigned int protocol, uint64_t info) __attribute__((noreturn));
void rt_start(unsigned int protocol, uint64_t info)
{
	idt_build();
	heap = (uint64_t)rt_image_end;
	rt_boot_parse(protocol, info);
	e9 = rt_word("e9");
	rt_acpi_parse();
	if (rt_word("wait"))
		wait_for_key();
	guest_main();
	rt_poweroff();
}
