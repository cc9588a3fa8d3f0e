"""The split of CPU time in docs/scale.md: samples of `perf` by stage.

Run: perf record -F 199 --call-graph dwarf,16384 -o FILE lensgpu infer ...
     perf script -i FILE -F comm,ip,sym 2>/dev/null | python stages.py
"""

import re
import sys
from collections import Counter

# The first stage of which a function is on the stack.
STAGES = [
    ("table of positions", r"StreamedTable|catalogue::parquet|TileSet|tiles::place|IdCheck|positions_of|checksum_of"),
    ("read and decode tiles", r"OpenFiles|FitsFile|BandReader::part|fits::file|fits::decode"),
    ("cut or resample", r"tiles::(cut|resample|stamp)|Stamp::|Stamps::fill|Cutout::"),
    ("stretch, statistics", r"PredictedImage::new|survey::(statistics|stretch|sky)"),
    ("network", r"device::cpu|lensgpu::nn|Ensemble"),
    ("mixture, quantiles", r"forecast|mixture|PredictiveDistribution|posterior"),
    ("journal", r"Journal"),
    ("write", r"TableWriter|infer_table|table::|Columns::write|parquet::"),
]

counts, stack, total = Counter(), [], 0
for line in [*sys.stdin, "\n"]:
    if line.strip():
        stack.append(line)
        continue
    if len(stack) > 1:
        total += 1
        text = "".join(stack)
        name = next((name for name, pattern in STAGES if re.search(pattern, text)), "other")
        counts[name] += 1
    stack = []
for name, count in counts.most_common():
    print(f"{100 * count / total:5.1f} %  {name}")
