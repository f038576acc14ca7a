// Package drivers is the home of the drivers, one package each, and explains
// how scripts are run and how to write a driver. It holds no code.
//
// # How scripts are run
//
// The drivers local and ssh run an operation whose primary artifact is a Bash
// or Python script (by its artifact type, tosca.artifacts.Implementation.Bash or
// .Python, or by its name: .sh, .bash, .py), any file whose first line names its
// interpreter (#!), and executable programs. What a script sees and what it may
// return is the same with both.
//
// The working directory is the operation's own and holds the primary artifact,
// the implementation's dependencies and the node's artifacts, each by
// its base name; a folder comes with all that is in it. Two different files of
// the same name are an error. Changes there do not reach the archive. The
// folder is removed when the outcome of the operation is recorded. Standard input is empty.
//
// Bash scripts are started with "bash" and Python scripts with "python3", found
// in the PATH; other files with the interpreter of their first line. A shell
// script with neither type nor such a line is started with "bash".
//
// # Inputs
//
// Each input is an environment variable of the same name. A string is there as
// it is, anything else as JSON: 8080, true, ["a","b"], {"port":8080}. Not
// there are inputs that are null, whose names are not letters, digits and "_",
// whose values have NUL bytes or more than 96 KiB, and those that would change
// the meaning of the shell's or system's own variables: PATH, HOME, LANG,
// LC_ALL, USER, LOGNAME, SHELL, TMPDIR, TZ, PWD, OLDPWD, IFS, ENV, BASH_ENV,
// CDPATH, OPTIND, PS4, BASHOPTS, BASH_VERSINFO, SHELLOPTS, UID, EUID, PPID and
// TOSCA_*.
//
// All inputs without exception, with their types, are one JSON object in the
// file that TOSCA_INPUTS names:
//
//	inputs = json.load(open(os.environ["TOSCA_INPUTS"]))   # Python
//	jq -r .ports[0] "$TOSCA_INPUTS"                        # shell
//
// # Context
//
// These variables say where the script runs:
//
//	TOSCA_DEPLOYMENT     the deployment's ID
//	TOSCA_NODE           the node template (of a relationship: its source)
//	TOSCA_RELATIONSHIP   the relationship template; only for its operations
//	TOSCA_INSTANCE       the node or relationship instance
//	TOSCA_WORKFLOW       the workflow that the script implements; then there is
//	                     no node, relationship or instance
//	TOSCA_FUNCTION       the custom function that the script evaluates, again
//	                     without those; its inputs are argument_0 and so on, and
//	                     arguments, the list of all; its output is result
//	TOSCA_INTERFACE      the interface, such as Standard
//	TOSCA_OPERATION      the operation, such as create
//	TOSCA_HOST           the address of the host, or localhost
//	TOSCA_RUN, TOSCA_STEP, TOSCA_ATTEMPT, TOSCA_OPERATION_ID
//	                     the run, the step in its plan, the attempt from 1, and
//	                     the ID that stays the same over attempts and restarts
//	TOSCA_INPUTS         the file with the inputs as JSON
//	TOSCA_OUTPUTS        the file to write outputs to
//
// and so does TOSCA_X for each X of executor.Operation.Context, such as
// TOSCA_SOURCE_NODE and TOSCA_TARGET_NODE. Beside these the environment has PATH, HOME, USER and a few more
// (see the drivers), and what the configuration of the driver adds.
//
// # Outputs
//
// What the script prints is the log. What it returns, it writes to the file that
// TOSCA_OUTPUTS names, in any mix of three forms:
//
//	url=http://10.0.0.7:8080/      a string: all behind the first "=",
//	                               without quotes and as it is
//	key<<END                       a string of several lines: those up to the
//	first line                     line that is the word behind "<<" alone,
//	second line                    without the end of the last one
//	END
//	{"ports": [80, 443]}           a JSON object, in one line or several: each
//	                               member is an output of its own and keeps its type
//
// The word is free to choose. In the first two forms names have letters, digits,
// "_", "-" and "."; other names need the JSON form. "count=3" returns the string
// "3", {"count": 3} the integer. Empty lines are skipped; lines may end
// in CR LF; text is UTF-8; the last value of a name counts; at most 16 MiB are
// read. Anything else in the file fails the operation with the line's number.
//
//	echo "url=http://$address:$port/" >> "$TOSCA_OUTPUTS"
//
//	with open(os.environ["TOSCA_OUTPUTS"], "a") as f:
//	    json.dump({"ports": [80, 443]}, f)
//
// # How it ends
//
// Exit code 0 is success. Any other fails the operation; the error shows the exit
// code and the last lines of standard error (of standard output where that is
// empty), so a script explains its failure there. Exit code 75
// (EX_TEMPFAIL of sysexits.h) says that trying again may help; the engine does so
// as its retry policy says.
//
// The script and its children are one process group. When the operation is
// cancelled or its timeout passes, the group gets SIGTERM, and SIGKILL when the
// grace period is over. What a script starts in the background and leaves
// behind goes on when the script ends by itself; the operation does not wait for it,
// even if it writes to the script's output. A service that should also
// survive a cancel of the script wants a session of its own:
//
//	setsid ./server > server.log 2>&1 &
//
// Values of secrets are shown as *** in the log and in errors.
//
// # Writing a driver
//
// A driver is an executor.Driver. One whose work ends with the call, such as a
// script's, implements executor.Runner and is made a Driver by executor.Sync;
// one whose work goes on in the outside world for minutes or days implements the
// five duties itself: Accepts, Start, Poll, Recover and Cancel. The
// engine keeps retries, timeouts, limits and the record; the driver's words are
// the outcome, the error's code and whether it is retryable (executor.MarkRetryable).
//
// A driver has a package here, with a Config whose zero value is good where that
// is possible, and New. Its test calls drivertest.Run, which holds what every
// driver must do. Drivers do not import each other, except for the transport of
// ssh.
package drivers
