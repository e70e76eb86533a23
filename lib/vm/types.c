/* SPDX-License-Identifier: BSD-3-Clause */
/* What may be added to a VM: device types, their options and control operations. */
#include <errno.h>
#include <string.h>

#include "vm/vm.h"

static bool listed(const struct cv_class *cls)
{
	return cls->virtio || cv_machine_takes(cls, NULL) == 0;
}

/* The table's, then the one that is of this floor. */
const struct cv_class *cv_vm_class_at(size_t index)
{
	for (const struct cv_class *const *cls = cv_classes; *cls; cls++)
		if (index-- == 0)
			return *cls;
	return index == 0 ? &cv_vhost_user_class : NULL;
}

const struct cv_class *cv_vm_class_find(const char *name)
{
	return strcmp(name, cv_vhost_user_class.name) == 0 ? &cv_vhost_user_class
							   : cv_class_find(name);
}

static int copy_out(void *to, const void *from, size_t known)
{
	size_t size = *(const size_t *)to;

	if (size < sizeof(size_t))
		return -EINVAL;
	memcpy(to, from, cv_min(size, known));
	*(size_t *)to = size;
	return 0;
}

int vm_device_type(size_t index, struct vm_device_type_info *info)
{
	for (size_t i = 0; cv_vm_class_at(i); i++) {
		const struct cv_class *cls = cv_vm_class_at(i);

		if (!listed(cls) || index-- > 0)
			continue;
		return copy_out(info,
				&(struct vm_device_type_info){ .name = cls->name,
							       .help = cls->help,
							       .is_virtio = cls->virtio },
				sizeof(*info));
	}
	return -ENOENT;
}

static int describe(const struct cv_opt *o, struct vm_option_info *info)
{
	return copy_out(info,
			&(struct vm_option_info){ .name = o->name,
						  .kind = cv_opt_kind_name(o->kind),
						  .help = o->help,
						  .required = o->required,
						  .dflt = o->dflt,
						  .min = o->min,
						  .max = o->max,
						  .words = o->words },
			sizeof(*info));
}

static int nth_option(const struct cv_opt *opts, size_t *index, struct vm_option_info *info)
{
	for (const struct cv_opt *o = opts; o && o->name; o++)
		if ((*index)-- == 0)
			return describe(o, info);
	return -ENOENT;
}

int vm_device_option(const char *type, size_t index, struct vm_option_info *info)
{
	const struct cv_class *cls = cv_vm_class_find(type);
	int err;

	if (!cls || !listed(cls))
		return -EINVAL;
	err = nth_option(cls->opts, &index, info);
	if (err == -ENOENT)
		err = nth_option(cv_vm_common_opts(cls), &index, info);
	return err;
}

int vm_device_control_info(const char *type, size_t index, struct vm_control_info *info)
{
	const struct cv_class *cls = cv_vm_class_find(type);

	if (!cls || !listed(cls))
		return -EINVAL;
	for (const struct cv_control *c = cls->controls; c && c->name; c++)
		if (index-- == 0)
			return copy_out(
				info, &(struct vm_control_info){ .name = c->name, .help = c->help },
				sizeof(*info));
	return -ENOENT;
}

int vm_device_control_arg(const char *type, const char *operation, size_t index,
			  struct vm_option_info *info)
{
	const struct cv_class *cls = cv_vm_class_find(type);
	const struct cv_control *control;

	if (!cls || !listed(cls))
		return -EINVAL;
	control = cv_class_control_find(cls, operation);
	return control ? nth_option(control->args, &index, info) : -EINVAL;
}
