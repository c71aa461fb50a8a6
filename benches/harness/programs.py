"""The default measurement: every program of benches/workloads, on every side."""
from . import give_up, ratios, report, results, runner, say, sides, workloads


def measure(py, options):
    """Runs what the options select; -> the measurement."""
    chosen = sides.chosen(py, options.rivals)
    if options.rivals:
        chosen.append(sides.floor())
    measurement = results.describe(
        "workloads", py, runs=options.runs,
        sides={side.name: side.what for side in chosen}, workloads={})
    selected = workloads.find(options.only)
    for number, workload in enumerate(selected, 1):
        path = workloads.library(py, workload)
        if path is None:
            say("%-20s skipped: %s cannot be installed" % (workload.name, workload.needs))
            continue
        say("%2d/%d %-16s" % (number, len(selected), workload.name), end="")
        done = runner.compare(py, chosen, workload, path, options.runs, not options.quick, lambda: say(".", end=""))
        figures = results.runs(done)
        measurement["workloads"][workload.name] = {"what": workload.what, "sides": figures}
        ours = ratios.of(figures, "oxmalloc")
        say(" %5.2f s, time %.3f ± %.3f, peak %.3f" % (
            min(figures["default"]["cpu_seconds"]), ours.time, ours.spread, ours.peak))
        if options.json:
            results.keep(options.json, measurement)  # a long run may be interrupted
    if not measurement["workloads"]:
        give_up("nothing was measured")
    return measurement


def run(py, options):
    measurement = measure(py, options)
    print(report.summary(measurement, options.markdown))
    return [] if options.quick else ratios.missed(measurement["workloads"])
