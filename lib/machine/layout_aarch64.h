/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where everything is in an aarch64 machine: guest-physical addresses and
 * interrupts. Nothing else writes these numbers.
 *
 *	0          nothing
 *	128 MiB    interrupt controller
 *	144 MiB    platform devices, virtio-mmio
 *	256 MiB    32-bit PCI window, ECAM (bus 0) before 1 GiB
 *	2 GiB      RAM; in its last 128 KiB the device tree and the stolen time
 *	above RAM  64-bit PCI window
 */
#ifndef CV_MACHINE_LAYOUT_AARCH64_H
#define CV_MACHINE_LAYOUT_AARCH64_H

#include "base/math.h"

#define CV_ARM_GIC_DIST_GPA   0x08000000u
#define CV_ARM_GIC_CPU_GPA    0x08010000u /* GICv2 */
#define CV_ARM_GIC_ITS_GPA    0x08080000u /* GICv3 */
#define CV_ARM_GIC_REDIST_GPA 0x080a0000u /* GICv3: 128 KiB for each of 64 vCPUs */

#define CV_ARM_RTC_GPA	   0x09010000u /* PL031 */
#define CV_ARM_OLD_RTC_GPA 0x09020000u /* PL030 */
#define CV_ARM_GPIO_GPA	   0x09030000u /* PL061 */
#define CV_ARM_SERIAL_GPA  0x09100000u /* four 16550A, a page each */
#define CV_ARM_SERIAL_STEP 0x1000u
#define CV_ARM_MMIO_GPA	   0x0a000000u /* virtio-mmio blocks, a page each */
#define CV_ARM_MMIO_STEP   0x1000u
#define CV_ARM_MAX_MMIO	   32u

#define CV_ARM_PCI32_GPA 0x10000000u
#define CV_ARM_PCI32_LEN 0x2f000000u
#define CV_ARM_ECAM_GPA	 0x3f000000u
#define CV_ARM_PCI64_LEN (64 * CV_GIB)

#define CV_ARM_RAM_GPA 0x80000000u

/* At the end of RAM; booting.rst wants the tree within 2 MiB, and KVM's pvtime.rst a page of the
 * largest size, of which nothing else is. */
#define CV_ARM_FDT_LEN	  0x10000u
#define CV_ARM_PVTIME_LEN 0x10000u
#define CV_ARM_PVTIME_CPU 64u /* of it for each vCPU */

/* Shared peripheral interrupts, which are the GSIs: 32 + n in the GIC's own count. */
#define CV_ARM_SPI_RTC	   1u
#define CV_ARM_SPI_GPIO	   2u
#define CV_ARM_SPI_OLD_RTC 3u
#define CV_ARM_SPI_SERIAL  4u  /* to 7 */
#define CV_ARM_SPI_MMIO	   16u /* to 47 */
#define CV_ARM_SPI_PCI	   48u /* to 79: INTA of slot n is n, the others follow around */
#define CV_ARM_N_SPI_PCI   32u
#define CV_ARM_SPI_FREE	   80u /* to 95: the embedder's */
#define CV_ARM_N_SPIS	   96u

/* Private peripheral interrupts: Arm BSA (DEN0094), section 3.6. */
#define CV_ARM_PPI_PMU		 7u
#define CV_ARM_PPI_TIMER_SECURE	 13u
#define CV_ARM_PPI_TIMER	 14u
#define CV_ARM_PPI_TIMER_VIRTUAL 11u
#define CV_ARM_PPI_TIMER_HYP	 10u

#define CV_ARM_SERIAL_HZ 1843200u
#define CV_ARM_APB_HZ	 24000000u /* what the PrimeCells are clocked with */

#endif
