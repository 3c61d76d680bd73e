/* SPDX-License-Identifier: Apache-2.0 */

#include "cli/cmd.h"

const struct cmd *const cmds[] = {
	/* machines */
	&cmd_run,
	&cmd_create,
	&cmd_start,
	&cmd_stop,
	&cmd_kill,
	&cmd_restart,
	&cmd_pause,
	&cmd_unpause,
	&cmd_wait,
	&cmd_rm,
	&cmd_ps,
	&cmd_inspect,
	&cmd_logs,
	&cmd_port,
	&cmd_attach,
	&cmd_machine_prune,
	&cmd_generate_systemd,
	/* images */
	&cmd_pull,
	&cmd_push,
	&cmd_build,
	&cmd_images,
	&cmd_image_inspect,
	&cmd_image_exists,
	&cmd_tag,
	&cmd_untag,
	&cmd_rmi,
	&cmd_image_prune,
	&cmd_load,
	&cmd_save,
	&cmd_login,
	&cmd_logout,
	/* kernels */
	&cmd_kernel_import,
	&cmd_kernel_build,
	&cmd_kernel_ls,
	&cmd_kernel_default,
	&cmd_kernel_rm,
	/* profiles of QEMU */
	&cmd_qemu_select,
	/* the content store */
	&cmd_cas_ls,
	&cmd_cas_usage,
	&cmd_cas_why,
	&cmd_cas_verify,
	&cmd_cas_gc,
	/* the rest */
	&cmd_doctor,
	&cmd_info,
	&cmd_system_prune,
	&cmd_version,
	&cmd_completion,
	&cmd_help,
	&cmd_complete,
	NULL,
};
