"use strict";
// The map: a canvas as high as its window, of which only the rows in sight are
// drawn. A row is one arena, or several; a cell is one pool, or as many
// neighbours as a row has arenas, added up. cells.py says how the pools are packed.
(async () => {
  const told = JSON.parse(document.getElementById("heap").textContent);
  const { places, poolBytes, pageBytes, sizeClasses } = told.cells;
  const { vacant: VACANT, span: SPAN, inside: INSIDE } = told.cells;
  const KIB = 1024;
  const MANY_ROWS = 160;

  const map = document.getElementById("map");
  const canvas = map.querySelector("canvas");
  const spacer = map.querySelector(".spacer");
  const tip = document.getElementById("tip");
  const legend = document.getElementById("legend");
  const zoom = document.getElementById("zoom");
  const pen = canvas.getContext("2d");

  // --- The data -------------------------------------------------------------

  async function unpack(text) {
    const packed = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
    const view = new DataView(await new Response(stream).arrayBuffer());
    const count = view.byteLength / told.cells.columns.reduce((sum, [, bytes]) => sum + bytes, 0);
    const columns = { count };
    let at = 0;
    for (const [name, bytes] of told.cells.columns) {
      const column = new { 1: Uint8Array, 2: Uint16Array, 4: Uint32Array }[bytes](count);
      for (let i = 0; i < count; i++, at += bytes) {
        column[i] = bytes === 1 ? view.getUint8(at) : bytes === 2 ? view.getUint16(at, true) : view.getUint32(at, true);
      }
      columns[name] = column;
    }
    return columns;
  }

  const heaps = await Promise.all(told.packed.map(unpack));
  const rows = told.rows; // [address, row in each heap or -1]
  const panes = heaps.length;
  const sizeOf = (kind) => sizeClasses[kind - 1];
  const capacityOf = (kind) => Math.floor(poolBytes / sizeOf(kind));

  // What a cell shows: `places` of it in one heap, added up.
  function cellAt(pane, number) {
    const heap = heaps[pane];
    const cell = {
      places: 0, pools: 0, spans: 0, live: 0, capacity: 0, untouched: 0,
      liveBytes: 0, freeBytes: 0, untouchedBytes: 0, usable: 0,
      resident: 0, residentIdle: 0, purged: 0, oldest: 0, youngest: Infinity,
      kind: VACANT, kinds: new Map(), domain: -1,
    };
    for (let flat = number * unit; flat < (number + 1) * unit; flat++) {
      const row = rows[Math.floor(flat / places)];
      if (!row || row[1 + pane] < 0) continue;
      const at = row[1 + pane] * places + flat % places;
      const kind = heap.kind[at];
      const resident = heap.resident[at] * pageBytes;
      cell.places++;
      cell.resident += resident;
      cell.purged += heap.purged[at] * pageBytes;
      if (kind === VACANT) {
        cell.residentIdle += resident;
        continue;
      }
      cell.pools++;
      let head = at;
      if (kind === SPAN || kind === INSIDE) {
        while (heap.kind[head] === INSIDE) head--;
        cell.spans += kind === SPAN;
        cell.live += kind === SPAN;
        cell.capacity += kind === SPAN;
        cell.liveBytes += poolBytes;
        cell.usable += poolBytes;
        cell.kinds.set(SPAN, (cell.kinds.get(SPAN) || 0) + 1);
        cell.spanPlaces = heap.untouched[head];
      } else {
        const size = sizeOf(kind);
        const capacity = capacityOf(kind);
        const [live, untouched] = [heap.live[at], heap.untouched[at]];
        cell.live += live;
        cell.capacity += capacity;
        cell.untouched += untouched;
        cell.liveBytes += live * size;
        cell.untouchedBytes += untouched * size;
        cell.freeBytes += (capacity - live - untouched) * size;
        cell.usable += capacity * size;
        if (live === 0) cell.residentIdle += resident;
        cell.kinds.set(kind, (cell.kinds.get(kind) || 0) + 1);
      }
      const age = heap.age[head] * told.cells.ageMs;
      cell.oldest = Math.max(cell.oldest, age);
      cell.youngest = Math.min(cell.youngest, age);
      cell.domain = cell.domain === -1 || cell.domain === heap.domain[head] ? heap.domain[head] : 2;
    }
    let most = 0;
    for (const [kind, pools] of cell.kinds) {
      if (pools > most) [cell.kind, most] = [kind, pools];
    }
    return cell;
  }

  // --- Words ------------------------------------------------------------------

  const number = (value) => value.toLocaleString("en-US");
  const plural = (count, what) => `${number(count)} ${what}${count === 1 ? "" : "s"}`;

  function size(bytes) {
    let value = Math.abs(bytes);
    let unitName = "bytes";
    for (const next of ["KiB", "MiB", "GiB", "TiB"]) {
      if (value < 1023.95) break;
      [value, unitName] = [value / 1024, next];
    }
    const digits = Number.isInteger(value) || value >= 99.95 ? 0 : 1;
    return `${bytes < 0 ? "−" : ""}${value.toFixed(digits)} ${unitName}`;
  }

  function age(ms) {
    const seconds = ms / 1000;
    if (seconds < 10) return `${seconds.toFixed(1)} s`;
    const units = [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]];
    for (let i = 0; i < 3; i++) {
      const [[name, length], [next, nextLength]] = [units[i], units[i + 1]];
      if (seconds >= length) {
        return `${Math.floor(seconds / length)} ${name} ${Math.floor(seconds % length / nextLength)} ${next}`;
      }
    }
    return `${Math.floor(seconds)} s`;
  }

  function percent(part, whole) {
    const value = whole ? 100 * part / whole : 0;
    return value > 0 && value < 1 ? "<1 %" : `${value.toFixed(0)} %`;
  }

  const DOMAINS = ["buffers (MEM)", "objects (OBJ)", "objects and buffers"];

  function whatIs(cell) {
    if (!cell.places) return "not mapped";
    if (!cell.pools) return plural(cell.places, "vacant pool");
    const vacant = cell.places - cell.pools;
    const pools = unit === 1 ? "" : `${number(cell.pools)} pools in use${vacant ? `, ${number(vacant)} vacant` : ""}: `;
    if (cell.kinds.size > 1) return `${pools}${cell.kinds.size} sizes, most of ${kindName(cell.kind)}`;
    if (cell.kind === SPAN) {
      const one = unit === 1 ? `one block of ${number(cell.spanPlaces * poolBytes)} bytes, a span` : kindName(SPAN);
      return `${pools}${one}, ${DOMAINS[cell.domain]}`;
    }
    return `${pools}${kindName(cell.kind)}, ${DOMAINS[cell.domain]}`;
  }

  const kindName = (kind) => kind === SPAN ? "spans" : `${number(sizeOf(kind))}-byte blocks`;
  const blocks = (count, bytes) => `${plural(count, "block")}, ${number(bytes)} bytes`;

  // The lines of the tip: a name and a function of the cell ("" leaves it out).
  const LINES = [
    ["what", whatIs],
    ["live", (c) => {
      if (!c.pools) return "";
      // Of a block that several cells share only the first counts it.
      const spanPart = c.kind === SPAN && unit === 1;
      return spanPart ? "all of it" :
        `${number(c.live)} of ${plural(c.capacity, "block")}, ${number(c.liveBytes)} bytes (${percent(c.liveBytes, c.usable)})`;
    }],
    ["free", (c) => c.kind === SPAN && unit === 1 || !c.pools ? "" : blocks(c.capacity - c.live - c.untouched, c.freeBytes)],
    ["untouched", (c) => c.kind === SPAN && unit === 1 || !c.pools ? "" : blocks(c.untouched, c.untouchedBytes)],
    ["resident", (c) => c.places ?
      `${number(c.resident / KIB)} of ${number(c.places * poolBytes / KIB)} KiB${c.purged ? `, ${number(c.purged / KIB)} KiB given back` : ""}` : ""],
    ["age", (c) => c.pools ? (c.oldest === c.youngest ? age(c.oldest) : `${age(c.youngest)} to ${age(c.oldest)}`) : ""],
  ];

  function placeOf(cell) {
    const first = cell * unit;
    const address = (flat) => "0x" + rows[Math.floor(flat / places)][0].toString(16);
    if (unit <= places) {
      const from = first % places;
      const pools = unit === 1 ? `pool ${from}` : `pools ${from} to ${from + unit - 1}`;
      return `${pools} of the arena at ${address(first)}`;
    }
    const last = Math.min(first + unit, rows.length * places) - 1;
    return `arenas ${address(first)} to ${address(last)}`;
  }

  function fillTip(cell) {
    const shown = heaps.map((_, pane) => cellAt(pane, cell));
    const table = document.createElement("table");
    const line = (name, texts, tag) => {
      const row = table.insertRow();
      row.insertCell().textContent = name;
      for (const text of texts) row.appendChild(document.createElement(tag)).textContent = text;
    };
    if (panes > 1) line("", ["before", "after"], "th");
    for (const [name, text] of LINES) {
      const texts = shown.map(text);
      if (texts.some(Boolean)) line(name, texts, "td");
    }
    if (panes > 1) {
      line("change", ["", `live ${signed(shown[1].liveBytes - shown[0].liveBytes)}, ` +
        `resident ${signed(shown[1].resident - shown[0].resident)}`], "td");
    }
    const title = document.createElement("b");
    title.textContent = placeOf(cell);
    tip.replaceChildren(title, table);
  }

  const signed = (bytes) => (bytes > 0 ? "+" : "") + size(bytes);

  // --- Colours ----------------------------------------------------------------

  let palette;
  function readPalette() {
    const style = getComputedStyle(document.documentElement);
    const one = (name) => style.getPropertyValue(`--${name}`).trim();
    const list = (name) => one(name).split(/\s+/);
    palette = {
      paper: one("paper"), ink: one("ink"), soft: one("soft"), hollow: one("hollow"), hollowLine: one("hollow-line"),
      idle: one("idle"), span: one("kept"),
      fullness: list("fullness"), classes: list("classes"), ages: list("ages"), change: list("change"),
    };
    palette.classes = classPlaces.map((share) => blend(palette.classes, share));
    const hatch = document.createElement("canvas");
    hatch.width = hatch.height = 6;
    const at = hatch.getContext("2d");
    at.fillStyle = palette.hollow;
    at.fillRect(0, 0, 6, 6);
    at.strokeStyle = palette.idle;
    at.lineWidth = 2;
    for (const shift of [-6, 0, 6]) {
      at.beginPath();
      at.moveTo(shift - 1, 7);
      at.lineTo(shift + 7, -1);
      at.stroke();
    }
    palette.hatch = pen.createPattern(hatch, "repeat");
  }

  // Each size class's place on the scale: in the order of sizes, and those with
  // many pools farther from their neighbours.
  const poolsOf = sizeClasses.map(() => 0);
  for (const heap of heaps) {
    for (const kind of heap.kind) if (kind !== VACANT && kind < SPAN) poolsOf[kind - 1]++;
  }
  const weights = poolsOf.map(Math.sqrt);
  const allWeights = Math.max(weights.reduce((a, b) => a + b, 0), 1);
  let weightBefore = 0;
  const classPlaces = weights.map((weight) => {
    const share = (weightBefore + weight / 2) / allWeights;
    weightBefore += weight;
    return share;
  });

  function blend(stops, share) {
    const at = share * (stops.length - 1);
    const low = Math.min(Math.floor(at), stops.length - 2);
    const channel = (stop, i) => parseInt(stop.slice(1 + 2 * i, 3 + 2 * i), 16);
    const mixed = [0, 1, 2].map((i) => {
      const [a, b] = [channel(stops[low], i), channel(stops[low + 1], i)];
      return Math.round(a + (b - a) * (at - low));
    });
    return `rgb(${mixed.join(",")})`;
  }

  const step = (stops, share) => stops[Math.max(0, Math.min(Math.floor(share * stops.length), stops.length - 1))];
  // Ages in order: each step of the scale is as many pools.
  const ages = heaps.flatMap((heap) => Array.from(heap.age).filter((_, at) => heap.kind[at] !== VACANT && heap.kind[at] !== INSIDE))
    .sort((a, b) => a - b).map((age) => age * told.cells.ageMs);

  function rankOfAge(ms) {
    let [low, high] = [0, ages.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (ages[middle] < ms) low = middle + 1;
      else high = middle;
    }
    return low / Math.max(ages.length, 1);
  }

  // A cell's colour in each of the ways to colour; null: as if nothing were there.
  const MODES = {
    fullness: (cell) => step(palette.fullness, cell.liveBytes / cell.usable),
    class: (cell) => cell.kind === SPAN ? palette.span : palette.classes[cell.kind - 1],
    age: (cell) => step(palette.ages, rankOfAge(cell.oldest)),
    resident: (cell, pane, index) => changeOf((c) => c.resident, cell, pane, index),
    live: (cell, pane, index) => changeOf((c) => c.liveBytes, cell, pane, index),
  };

  // On the left what went, on the right what came.
  function changeOf(bytes, cell, pane, index) {
    const changed = (bytes(pane ? cell : cellAt(1, index)) - bytes(pane ? cellAt(0, index) : cell)) / (unit * poolBytes);
    const seen = pane ? Math.max(changed, 0) : Math.min(changed, 0);
    const middle = (palette.change.length - 1) / 2;
    return palette.change[middle + Math.sign(seen) * Math.ceil(Math.min(Math.abs(seen), 1) * middle)];
  }

  function swatch(colour, text) {
    const item = document.createElement("span");
    const key = document.createElement("span");
    key.className = "key" + (colour === "idle" ? " idle" : "");
    if (colour !== "idle") key.style.background = colour;
    item.append(key, text);
    return item;
  }

  function scale(colours, low, high) {
    const item = document.createElement("span");
    const bar = document.createElement("span");
    bar.className = "scale";
    for (const colour of colours) bar.appendChild(document.createElement("i")).style.background = colour;
    item.append(low, bar, high);
    return item;
  }

  function drawLegend() {
    const most = poolsOf.map((pools, i) => [pools, i]).filter(([pools]) => pools).sort((a, b) => b[0] - a[0])
      .slice(0, 10).map(([, i]) => i).sort((a, b) => a - b);
    const item = {
      fullness: () => [scale(palette.fullness, "few blocks live", "all live")],
      class: () => [...most.map((i) => swatch(palette.classes[i], number(sizeClasses[i]))), swatch(palette.span, "spans")],
      age: () => [scale(palette.ages, `youngest (${age(ages[0] || 0)})`, `oldest (${age(ages[ages.length - 1] || 0)}), as many pools in each step`)],
      resident: () => [scale(palette.change, "resident memory fell (shown left)", "grew (shown right)")],
      live: () => [scale(palette.change, "live bytes fell (shown left)", "grew (shown right)")],
    }[mode]();
    legend.replaceChildren(...item, swatch("idle", "resident, no live block"), swatch(palette.hollow, "not resident: given back, or never used"));
  }

  // --- The map ------------------------------------------------------------------

  let mode = document.querySelector("input[name=mode]:checked").value;
  let unit = 1; // arenas in a row, and pools in a cell
  let only = 0; // the kind that is shown alone, or 0
  let selected = -1;
  let layout;

  const cellCount = () => rowCount() * places;
  const rowCount = () => Math.ceil(rows.length / unit);

  function arrange() {
    const width = map.clientWidth;
    const count = rowCount();
    const rowHeight = count <= 16 ? 24 : count <= 48 ? 16 : 10;
    const label = width > 640 ? 122 : 0;
    const between = panes > 1 ? 12 : 0;
    layout = {
      width, rowHeight, label, between, count,
      cellWidth: (width - label - between * (panes - 1) - 4) / (places * panes),
      height: Math.min(count * rowHeight + 4, Math.round(window.innerHeight * .7)),
      gap: rowHeight > 12 ? 2 : 1,
    };
    const sides = document.querySelector(".sides");
    if (sides) sides.style.paddingLeft = `${label + 2}px`;
    spacer.style.height = `${count * rowHeight + 4 - layout.height}px`;
    canvas.style.height = `${layout.height}px`;
    const ratio = window.devicePixelRatio || 1;
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(layout.height * ratio);
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    draw();
  }

  function boxOf(pane, cell) {
    const { label, cellWidth, rowHeight, between, gap } = layout;
    const column = cell % places;
    const left = label + 2 + pane * (places * cellWidth + between) + column * cellWidth;
    const x = Math.round(left);
    const right = Math.round(left + cellWidth);
    return {
      x, y: Math.floor(cell / places) * rowHeight + 2 - map.scrollTop,
      width: Math.max(right - x - (cellWidth > 5 ? gap : cellWidth > 3 ? 1 : 0), 1), height: rowHeight - gap,
      pitch: right - x,
    };
  }

  // Whether the next pool of the row is of the same span.
  function goesOn(pane, index) {
    const next = index + 1;
    if (unit > 1 || next % places === 0) return false;
    return heaps[pane].kind[rows[Math.floor(next / places)][1 + pane] * places + next % places] === INSIDE;
  }

  // From below: what is resident beside live blocks, what is without, the rest.
  function drawCell(pane, index) {
    const cell = cellAt(pane, index);
    if (!cell.places) return;
    const box = boxOf(pane, index);
    if (goesOn(pane, index)) box.width = box.pitch;
    const whole = cell.places * poolBytes;
    pen.globalAlpha = only && !cell.kinds.has(only) ? .15 : 1;
    pen.fillStyle = palette.hollow;
    pen.fillRect(box.x, box.y, box.width, box.height);
    const tall = (bytes) => bytes ? Math.max(Math.round(box.height * bytes / whole), 1) : 0;
    const used = tall(cell.resident - cell.residentIdle);
    const idle = Math.min(tall(cell.residentIdle), box.height - used);
    if (used) {
      pen.fillStyle = MODES[mode](cell, pane, index);
      pen.fillRect(box.x, box.y + box.height - used, box.width, used);
    }
    if (idle) {
      pen.fillStyle = palette.hatch;
      pen.fillRect(box.x, box.y + box.height - used - idle, box.width, idle);
    }
    pen.globalAlpha = 1;
  }

  function draw() {
    const { rowHeight, height, label, count } = layout;
    pen.clearRect(0, 0, layout.width, height);
    const first = Math.max(Math.floor((map.scrollTop - 2) / rowHeight), 0);
    const last = Math.min(Math.ceil((map.scrollTop + height) / rowHeight), count);
    const every = Math.ceil(14 / rowHeight);
    pen.font = "11px ui-monospace, 'DejaVu Sans Mono', Menlo, monospace";
    pen.textBaseline = "middle";
    for (let row = first; row < last; row++) {
      if (label && row % every === 0) {
        pen.fillStyle = palette.soft;
        pen.fillText("0x" + rows[row * unit][0].toString(16), 4, Math.max(row * rowHeight + rowHeight / 2 + 1, 8) - map.scrollTop);
      }
      for (let pane = 0; pane < panes; pane++) {
        for (let column = 0; column < places; column++) drawCell(pane, row * places + column);
      }
    }
    if (selected >= 0) {
      for (let pane = 0; pane < panes; pane++) {
        const box = boxOf(pane, selected);
        // Two lines: one of them is seen on any colour.
        for (const [colour, width] of [[palette.paper, 5], [palette.ink, 2]]) {
          pen.strokeStyle = colour;
          pen.lineWidth = width;
          pen.strokeRect(box.x - 1, box.y - 1, box.width + 2, box.height + 2);
        }
      }
    }
  }

  // --- Looking at a cell ----------------------------------------------------------

  function hit(event) {
    const bounds = canvas.getBoundingClientRect();
    const [x, y] = [event.clientX - bounds.left, event.clientY - bounds.top];
    const row = Math.floor((y + map.scrollTop - 2) / layout.rowHeight);
    for (let pane = 0; pane < panes; pane++) {
      const from = boxOf(pane, 0).x;
      const column = Math.floor((x - from) / layout.cellWidth);
      if (column >= 0 && column < places && row >= 0 && row < layout.count) {
        const cell = row * places + column;
        return Math.floor(cell * unit / places) < rows.length ? [cell, pane] : null;
      }
    }
    return null;
  }

  function select(cell, pane = 0) {
    selected = cell;
    if (cell < 0) {
      tip.hidden = true;
    } else {
      fillTip(cell);
      tip.hidden = false;
      const bounds = canvas.getBoundingClientRect();
      const box = boxOf(pane, cell);
      const margin = 8;
      const x = Math.min(bounds.left + box.x + box.width + 6, window.innerWidth - tip.offsetWidth - margin);
      const below = bounds.top + box.y + box.height + 8;
      const above = bounds.top + box.y - tip.offsetHeight - 8;
      tip.style.left = `${Math.max(x, margin)}px`;
      tip.style.top = `${below + tip.offsetHeight < window.innerHeight ? below : Math.max(above, margin)}px`;
    }
    draw();
  }

  function bringIntoSight(cell) {
    const { rowHeight, height } = layout;
    const top = Math.floor(cell / places) * rowHeight;
    if (top < map.scrollTop) map.scrollTop = top;
    if (top + rowHeight + 4 > map.scrollTop + height) map.scrollTop = top + rowHeight + 4 - height;
  }

  function go(cell) {
    const last = Math.ceil(rows.length * places / unit) - 1;
    if (last < 0) return; // A heap without arenas.
    const there = Math.max(0, Math.min(cell, last));
    bringIntoSight(there);
    select(there);
  }

  function setUnit(wanted, keep = selected) {
    const first = Math.max(keep, 0) * unit;
    unit = wanted;
    zoom.value = String(unit);
    arrange();
    if (keep >= 0) go(Math.floor(first / unit));
  }

  const units = [1];
  while (rows.length / units[units.length - 1] > 8) units.push(units[units.length - 1] * 2);
  for (const each of units) zoom.add(new Option(each === 1 ? "1 arena" : `${number(each)} arenas`, each));

  canvas.addEventListener("keydown", (event) => {
    const near = selected < 0 ? 0 : selected;
    const page = Math.max(Math.floor(layout.height / layout.rowHeight) - 1, 1) * places;
    const next = {
      ArrowLeft: near - 1, ArrowRight: near + 1, ArrowUp: near - places, ArrowDown: near + places,
      Home: event.ctrlKey ? 0 : near - near % places,
      End: event.ctrlKey ? cellCount() : near - near % places + places - 1,
      PageUp: near - page, PageDown: near + page,
    }[event.key];
    if (next !== undefined) go(selected < 0 ? 0 : next < 0 ? near : next);
    else if (event.key === "+" || event.key === "Enter") setUnit(units[Math.max(units.indexOf(unit) - 1, 0)]);
    else if (event.key === "-") setUnit(units[Math.min(units.indexOf(unit) + 1, units.length - 1)]);
    else if (event.key === "Escape") select(-1);
    else return;
    event.preventDefault();
  });
  canvas.addEventListener("focus", () => { if (selected < 0 && canvas.matches(":focus-visible")) go(0); });
  canvas.addEventListener("blur", () => select(-1));
  canvas.addEventListener("pointermove", (event) => {
    const found = hit(event);
    if (!found) select(-1);
    else if (found[0] !== selected || tip.hidden) select(...found);
  });
  canvas.addEventListener("pointerdown", (event) => select(...(hit(event) || [-1])));
  canvas.addEventListener("pointerleave", (event) => { if (event.pointerType === "mouse") select(-1); });
  map.addEventListener("scroll", () => {
    // A tip at its old place would tell of a cell that has moved away.
    if (selected >= 0 && document.activeElement !== canvas) select(-1);
    else draw();
  });
  zoom.addEventListener("change", () => setUnit(Number(zoom.value)));
  for (const choice of document.querySelectorAll("input[name=mode]")) {
    choice.addEventListener("change", () => { mode = choice.value; drawLegend(); draw(); });
  }
  for (const button of document.querySelectorAll("button[data-kind]")) {
    button.addEventListener("click", () => {
      const kind = Number(button.dataset.kind);
      only = only === kind ? 0 : kind;
      for (const each of document.querySelectorAll("button[data-kind]")) {
        each.setAttribute("aria-pressed", String(Number(each.dataset.kind) === only));
      }
      draw();
    });
  }
  for (const button of document.querySelectorAll("button[data-arena]")) {
    button.addEventListener("click", () => {
      const row = rows.findIndex(([address]) => String(address) === button.dataset.arena);
      setUnit(1, -1);
      map.scrollIntoView({ block: "nearest" });
      canvas.focus();
      go(row * places);
    });
  }
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { readPalette(); drawLegend(); draw(); });
  new ResizeObserver(() => { if (layout && map.clientWidth !== layout.width) arrange(); }).observe(map);

  readPalette();
  unit = units.find((each) => rows.length / each <= MANY_ROWS) || units[units.length - 1];
  zoom.value = String(unit);
  drawLegend();
  arrange();
  document.documentElement.dataset.ready = "yes";
})().catch((error) => {
  document.getElementById("legend").textContent =
    `The map cannot be drawn (${error.message || error}): open the page in a browser of 2023 or later.`;
  throw error;
});
