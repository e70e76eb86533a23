/* SPDX-License-Identifier: BSD-3-Clause */
/* Inside lib/boot: the body of the DSDT. */
#ifndef CV_BOOT_ACPI_DSDT_H
#define CV_BOOT_ACPI_DSDT_H

#include "boot/acpi.h"
#include "boot/aml.h"

/* @config has been checked. */
void cv_acpi_put_dsdt(struct cv_aml *a, const struct cv_acpi_config *config);

#endif
