// SPDX-License-Identifier: GPL-2.0
/* pshare version */
#include <stdio.h>
#include <unistd.h>

#include <json-c/json.h>
#include <pshare.h>

#include "cli.h"
#include "device.h"
#include "knobs.h"
#include "output.h"

/* The module's ABI version; 0 when it cannot be asked, and then @why. */
static unsigned int module_abi(const char **why)
{
	unsigned int abi = 0;
	int fd;

	*why = knobs_present() ? "loaded, but only root may ask it" : "not loaded";
	if (device_try_open(&fd))
		return 0;
	if (device_version(fd, &abi)) {
		*why = "does not answer: what is behind /dev/pshare is not this module";
		abi = 0;
	}
	close(fd);
	return abi;
}

int cmd_version(const struct args *args)
{
	const char *why;
	unsigned int abi = module_abi(&why);

	(void)args;
	if (output_is_json()) {
		struct json_object *doc = output_doc();

		json_add_string(doc, "version", PSHARE_VERSION);
		json_add_u64(doc, "abi", PSHARE_ABI_VERSION);
		json_object_object_add(doc, "module_abi",
				       abi ? json_object_new_uint64(abi) : NULL);
		return RC_OK;
	}
	printf("pshare %s, interface version %d\n", PSHARE_VERSION, PSHARE_ABI_VERSION);
	if (abi)
		printf("module: interface version %u\n", abi);
	else
		printf("module: %s\n", why);
	return RC_OK;
}
