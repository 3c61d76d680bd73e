/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/path.h"
#include "cli/ops-config.h"
#include "tap.h"

/* A directory with a config file, a file "page" and a directory "www". */
static char dir[] = "/tmp/volt-test-ops.XXXXXX";
static char path[PATH_MAX];
static struct volt_error e;

static int apply(json_t *spec, const char *config)
{
	int at = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r = write_file_atomic(at, "config.json", config, strlen(config), 0600);

	(void)close(at);
	return r < 0 ? r : ops_config_apply(path, spec, &e);
}

static json_t *parse(const char *text)
{
	json_t *j = json_loads(text, 0, NULL);

	return j ? j : json_null();
}

/* What @config makes of @before is @after. */
static bool makes(const char *before, const char *config, const char *after)
{
	json_auto_t *spec = parse(before), *want = parse(after);
	_cleanup_free_ char *got = NULL;
	int r = apply(spec, config);

	got = json_dumps(spec, JSON_COMPACT);
	if (r < 0 || !json_equal(spec, want))
		printf("# %d %s: %s\n", r, r < 0 ? e.msg : "", got);
	return r == 0 && json_equal(spec, want);
}

/* It is refused with a message that has both words. */
static bool refuses(const char *config, int code, const char *one, const char *two)
{
	json_auto_t *spec = json_object();
	int r = apply(spec, config);

	if (r != -code || !strstr(e.msg, one) || !strstr(e.msg, two))
		printf("# %d: %s\n", r, r < 0 ? e.msg : "");
	return r == -code && strstr(e.msg, one) && strstr(e.msg, two) &&
	       strstr(e.msg, "config.json");
}

static void what_a_machine_is_made_of_is_taken_over(void)
{
	CHECK(makes("{}", "{\"Args\": [\"-x\", \"a b\"], \"Env\": {\"A\": \"b=c\"}}",
		    "{\"nanos\": {\"attributes\": {}}, \"cmd\": [\"-x\", \"a b\"], "
		    "\"env\": [\"A=b=c\"]}"));
	CHECK(makes(
		"{}",
		"{\"RunConfig\": {\"Memory\": \"2G\", \"CPUs\": 2, \"Accel\": false, "
		"\"Ports\": [\"80\", \"8080:81\", \"90-91\"], \"UDPPorts\": [\"53\"]}}",
		"{\"nanos\": {\"attributes\": {}}, \"memory\": 2147483648, \"cpus\": 2, "
		"\"accel\": \"tcg\", \"ports\": [\"80:80/tcp\", \"8080:81/tcp\", "
		"\"90-91:90-91/tcp\", \"53:53/udp\"]}"));
	CHECK(makes("{}",
		    "{\"NanosVersion\": \"0.1.55\", \"RebootOnExit\": true, \"Version\": "
		    "\"3\", \"Uefi\": true, \"BaseVolumeSz\": \"500m\", \"Klibs\": "
		    "[\"tls\"]}",
		    "{\"nanos\": {\"attributes\": {}, \"boot\": \"uefi\", \"klibs\": "
		    "[\"tls\"]}, \"kernel\": \"nanos-0.1.55\", \"restart\": {\"policy\": "
		    "\"always\"}, \"labels\": {\"org.opencontainers.image.version\": "
		    "\"3\"}}"));
}

static void attributes_of_the_kernel_are_taken_over(void)
{
	CHECK(makes(
		"{}",
		"{\"Debugflags\": [\"noaslr\"], \"NoTrace\": [\"read\"], "
		"\"ManifestPassthrough\": {\"firewall\": {\"rules\": []}}, "
		"\"RunConfig\": {\"IPAddress\": \"10.0.2.9\", \"NetMask\": "
		"\"255.255.255.0\", \"Gateway\": \"10.0.2.2\"}}",
		"{\"nanos\": {\"attributes\": {\"noaslr\": true, \"notrace\": "
		"[\"read\"], \"firewall\": {\"rules\": []}, \"ipaddr\": \"10.0.2.9\", "
		"\"netmask\": \"255.255.255.0\", \"gateway\": \"10.0.2.2\"}}}"));
}

static void command_line_wins_and_lists_are_joined(void)
{
	CHECK(makes(
		"{\"cmd\": [\"z\"], \"memory\": 5, \"env\": [\"A=1\"], \"ports\": "
		"[\"1:1\"], \"nanos\": {\"boot\": \"bios\", \"klibs\": [\"tls\"], "
		"\"attributes\": {\"noaslr\": \"x\"}}}",
		"{\"Args\": [\"y\"], \"Env\": {\"A\": \"2\", \"B\": \"3\"}, \"Uefi\": "
		"true, \"Klibs\": [\"tls\", \"ntp\"], \"Debugflags\": [\"noaslr\"], "
		"\"RunConfig\": {\"Memory\": \"1g\", \"Ports\": [\"2\"]}}",
		"{\"cmd\": [\"z\"], \"memory\": 5, \"env\": [\"A=2\", \"B=3\", "
		"\"A=1\"], \"ports\": [\"1:1\", \"2:2/tcp\"], \"nanos\": {\"boot\": "
		"\"bios\", \"klibs\": [\"tls\", \"ntp\"], \"attributes\": "
		"{\"noaslr\": \"x\"}}}"));
}

static void files_of_the_host_become_read_only_volumes(void)
{
	char config[PATH_MAX], want[PATH_MAX];

	(void)snprintf(config, sizeof(config),
		       "{\"LocalFilesParentDirectory\": \"%s\", \"files\": [\"./page\"], "
		       "\"Dirs\": [\"www/\"], \"MapDirs\": {\"www/*\": \"/srv\"}}",
		       dir);
	(void)snprintf(
		want, sizeof(want),
		"{\"nanos\": {\"attributes\": {}}, \"volumes\": ["
		"{\"source\": \"%s/page\", \"target\": \"/page\", \"read_only\": true}, "
		"{\"source\": \"%s/www\", \"target\": \"/www\", \"read_only\": true}, "
		"{\"source\": \"%s/www\", \"target\": \"/srv\", \"read_only\": true}]}",
		dir, dir, dir);
	CHECK(makes("{}", config, want));
	CHECK(refuses("{\"Files\": [\"nothing\"]}", ENOENT, "'Files'", "nothing"));
	CHECK(refuses("{\"Dirs\": [\"..\"]}", EINVAL, "'Dirs'", "-v ..:/PLACE:ro"));
	CHECK(refuses("{\"MapDirs\": {\"a*b/*\": \"/x\"}}", ENOTSUP, "'MapDirs'",
		      "'a*b/*'"));
}

static void what_asks_for_nothing_is_no_wish(void)
{
	CHECK(makes(
		"{}",
		"{\"Program\": \"\", \"NightlyBuild\": false, \"NameServers\": [], "
		"\"CloudConfig\": {}, \"DisableArgsCopy\": true, \"Force\": null, "
		"\"RunConfig\": {\"Bridged\": false, \"GdbPort\": 0, \"QMP\": false}}",
		"{\"nanos\": {\"attributes\": {}}}"));
}

static void what_cannot_be_had_is_refused_by_name_with_what_to_do(void)
{
	static const struct {
		const char *config, *key, *advice;
	} bad[] = {
		{ "{\"Program\": \"x\"}", "'Program'", "volt build --binary" },
		{ "{\"Boot\": \"b\"}", "'Boot'", "volt kernel import --guest nanos" },
		{ "{\"Kernel\": \"b\"}", "'Kernel'", "volt kernel import" },
		{ "{\"UefiBoot\": \"b\"}", "'UefiBoot'", "volt kernel import" },
		{ "{\"KlibDir\": \"b\"}", "'KlibDir'", "with their kernel" },
		{ "{\"nightlybuild\": true}", "'NightlyBuild'", "--kernel" },
		{ "{\"NameServers\": [\"8.8.8.8\"]}", "'NameServers'", "resolver" },
		{ "{\"BaseVolumeSz\": \"2g\"}", "'BaseVolumeSz'", "on a volume" },
		{ "{\"CloudConfig\": {\"Zone\": \"a\"}}", "'CloudConfig'", "this host" },
		{ "{\"RunConfig\": {\"Bridged\": true}}", "'Bridged'", "--network" },
		{ "{\"RunConfig\": {\"BridgeName\": \"b\"}}", "'BridgeName'", "network" },
		{ "{\"RunConfig\": {\"TapName\": \"b\"}}", "'TapName'", "network" },
		{ "{\"RunConfig\": {\"Nics\": [{}]}}", "'Nics'", "one network card" },
		{ "{\"RunConfig\": {\"GdbPort\": 1}}", "'GdbPort'", "debugger" },
		{ "{\"RunConfig\": {\"QMP\": true}}", "'QMP'", "itself" },
		{ "{\"RunConfig\": {\"Background\": true}}", "'Background'", "--detach" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		CHECK(refuses(bad[i].config, ENOTSUP, bad[i].key, bad[i].advice));
}

static void unknown_keys_and_wrong_types_are_refused_by_name(void)
{
	CHECK(refuses("{\"Nonsense\": 1}", EINVAL, "'Nonsense'", "no key of ops'"));
	CHECK(refuses("{\"RunConfig\": {\"X\": 0}}", EINVAL, "'X'", "no key of ops'"));
	CHECK(refuses("{\"Args\": \"x\"}", EINVAL, "'Args'", "a list of texts"));
	CHECK(refuses("{\"Args\": [1]}", EINVAL, "'Args'", "a list of texts"));
	CHECK(refuses("{\"Env\": {\"A\": 1}}", EINVAL, "'Env'", "names and texts"));
	CHECK(refuses("{\"Env\": {\"A=B\": \"1\"}}", EINVAL, "'Env'", "names and texts"));
	CHECK(refuses("{\"RunConfig\": [1]}", EINVAL, "'RunConfig'", "an object"));
	CHECK(refuses("{\"RunConfig\": {\"CPUs\": \"2\"}}", EINVAL, "'CPUs'",
		      "a number"));
	CHECK(refuses("{\"RunConfig\": {\"Memory\": 2}}", EINVAL, "'Memory'", "a size"));
	CHECK(refuses("{\"LocalFilesParentDirectory\": 1}", EINVAL,
		      "'LocalFilesParentDirectory'", "a text"));
	CHECK(refuses("[1]", EINVAL, "no JSON object", ""));
}

static void restart_and_rm_exclude_each_other(void)
{
	json_auto_t *spec = parse("{\"rm\": true}");

	CHECK_INT(apply(spec, "{\"RebootOnExit\": true}"), -EINVAL);
	CHECK(strstr(e.msg, "'RebootOnExit' and --rm exclude each other"));
}

static void file_that_is_not_there_or_no_json_is_named(void)
{
	json_auto_t *spec = json_object();

	CHECK_INT(ops_config_apply("/nowhere/c.json", spec, &e), -ENOENT);
	CHECK(strstr(e.msg, "'/nowhere/c.json'"));
	CHECK(apply(spec, "{\"Args\": [") < 0);
	CHECK(strstr(e.msg, "config.json"));
}

int main(void)
{
	_cleanup_close_ int at = -1;

	if (!mkdtemp(dir))
		return 1;
	at = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	(void)snprintf(path, sizeof(path), "%s/config.json", dir);
	if (mkdirat(at, "www", 0700) < 0 ||
	    write_file_atomic(at, "page", "x", 1, 0600) < 0)
		return 1;
	RUN(what_a_machine_is_made_of_is_taken_over);
	RUN(attributes_of_the_kernel_are_taken_over);
	RUN(command_line_wins_and_lists_are_joined);
	RUN(files_of_the_host_become_read_only_volumes);
	RUN(what_asks_for_nothing_is_no_wish);
	RUN(what_cannot_be_had_is_refused_by_name_with_what_to_do);
	RUN(unknown_keys_and_wrong_types_are_refused_by_name);
	RUN(restart_and_rm_exclude_each_other);
	RUN(file_that_is_not_there_or_no_json_is_named);
	closep(&at);
	at = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	(void)remove_tree_at(at, path_base(dir));
	return tap_done();
}
