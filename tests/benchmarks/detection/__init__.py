"""The detection benchmark: how often the monitor cries wolf, and what it misses, on fixed-camera footage of your own.

`make bench-detection FOOTAGE=dir` learns what is normal from each camera's past, then judges clean windows of its
future and copies of them that were damaged on purpose: by our saboteur, and by `corrupt-tta`, which others wrote.
Beside our judge stands the plain rule it grew out of, and on request alibi-detect. Of windows whose truth is known the
remedy table then tells what they call for.

| room          | holds                                                                                |
|---------------|--------------------------------------------------------------------------------------|
| `footage`     | which cameras there are, their past and their future, and the windows judged         |
| `corruptions` | every way a picture is damaged, and the causes that name it rightly                  |
| `replay`      | the runtime reading a stretch of footage through a damaged camera                    |
| `cache`       | windows kept by the content they were made from                                      |
| `judges`      | our judge and the plain rule, behind one type; the place to change when gates change |
| `peers`       | alibi-detect, in a process and an environment of its own                             |
| `scores`      | rates, areas under the curve, and their intervals, clustered by camera               |
| `report`      | what is printed and written                                                          |
| `cases`       | cameras whose truth is known, and the windows whose right answer is                  |
| `lens`        | faults that neither saboteur makes: on the glass, of the mount, of the sensor        |
| `records`     | what recorders made of damaged footage, kept apart from one another                  |
| `remedies`    | the table of what a FAIL calls for, against what is true                             |
"""
