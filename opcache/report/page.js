
(() => {
  'use strict';
  const root = JSON.parse(document.getElementById('tree').textContent);
  const map = document.getElementById('treemap');
  const crumbs = document.getElementById('crumbs');
  const detail = document.getElementById('detail');
  const up = document.getElementById('up');
  // What the page draws stays small, however many files there are.
  const maxCells = 700, maxShown = 60, maxDepth = 4, minSide = 9, header = 22;
  let at = [root];

  const numbers = new Intl.NumberFormat('en');
  const count = n => numbers.format(n);
  const bytes = n => {
    const units = ['B', 'KB', 'MB', 'GB', 'TB'];
    let unit = 0;
    while (n >= 1023.95 && unit < units.length - 1) { n /= 1024; unit++; }
    return `${Math.round(n * 10) / 10} ${units[unit]}`;
  };
  const percent = ratio => `${Math.round(ratio * 1000) / 10} %`;
  const opens = node => Boolean(node.c && node.c.length);
  const perFile = node => (node.h || 0) / node.f;

  // Equal steps on a logarithmic scale up to the most hits that a file has.
  const bounds = (() => {
    let most = 1;
    const visit = node => { if (opens(node)) node.c.forEach(visit); else most = Math.max(most, perFile(node)); };
    visit(root);
    const nice = n => { const p = 10 ** Math.floor(Math.log10(n)); return Math.max(1, Math.round(n / p) * p); };
    const list = [1];
    for (let i = 1; i < 5; i++) list.push(Math.max(list[i - 1] + 1, nice(most ** (i / 5))));
    return list;
  })();
  const heat = node => {
    if ((node.d || 0) > node.b / 2) return 'dead';
    const hits = perFile(node);
    if (hits === 0) return 0;
    let step = 1;
    while (step < 5 && hits >= bounds[step]) step++;
    return step;
  };

  const describe = node => {
    const whole = at[at.length - 1];
    const parts = [`${bytes(node.b)} (${percent(node.b / (whole.b || 1))} of what is shown)`];
    if (opens(node) || node.k === 'smaller') parts.push(`${count(node.f)} file${node.f === 1 ? '' : 's'}`);
    parts.push(`${count(node.h || 0)} hit${node.h === 1 ? '' : 's'}`);
    if (node.z) parts.push(`${bytes(node.z)} never hit`);
    if (node.d) parts.push(`${bytes(node.d)} dead`);
    return `${node.n}, ${node.k}: ${parts.join(', ')}`;
  };

  // The smallest of many nodes become one, which opens like a folder.
  const limit = (nodes, most) => {
    if (nodes.length <= most) return nodes;
    const rest = nodes.slice(most - 1);
    const sum = key => rest.reduce((total, node) => total + (node[key] || 0), 0);
    return [...nodes.slice(0, most - 1), { n: `${count(rest.length)} more`, k: 'group', b: sum('b'), d: sum('d'), z: sum('z'), h: sum('h'), f: sum('f'), c: rest }]
      .sort((one, other) => other.b - one.b);
  };

  // Squarified treemap (Bruls, Huizing, van Wijk 2000): nodes are sorted by size.
  const layout = (nodes, box, place) => {
    let { x, y, w, h } = box;
    let left = nodes.reduce((sum, node) => sum + node.b, 0);
    const worst = (row, sum, side, area) => {
      const thick = sum * area / side;
      return row.reduce((bad, node) => { const long = node.b * area / thick; return Math.max(bad, long / thick, thick / long); }, 1);
    };
    for (let i = 0; i < nodes.length && left > 0;) {
      const side = Math.min(w, h), area = w * h / left;
      let row = [nodes[i]], sum = nodes[i].b, bad = worst(row, sum, side, area);
      let j = i + 1;
      for (; j < nodes.length; j++) {
        const next = worst([...row, nodes[j]], sum + nodes[j].b, side, area);
        if (next > bad) break;
        row.push(nodes[j]); sum += nodes[j].b; bad = next;
      }
      const thick = left ? sum * area / side : 0;
      let offset = 0;
      for (const node of row) {
        const long = node.b / sum * side;
        place(node, w >= h ? { x, y: y + offset, w: thick, h: long } : { x: x + offset, y, w: long, h: thick });
        offset += long;
      }
      if (w >= h) { x += thick; w -= thick; } else { y += thick; h -= thick; }
      left -= sum; i = j;
    }
  };

  const cell = (node, box, path, frame) => {
    const button = document.createElement('button');
    button.type = 'button';
    button.className = `cell ${frame ? 'frame' : `heat-${heat(node)}`}`;
    button.tabIndex = -1;
    button.setAttribute('aria-label', describe(node) + (opens(node) ? ', opens' : ''));
    for (const [name, value] of [['left', box.x], ['top', box.y], ['width', box.w], ['height', box.h]]) button.style[name] = `${value}px`;
    if (box.w > 42 && box.h > 18) {
      const label = document.createElement('span');
      label.textContent = frame ? `${node.n} · ${bytes(node.b)}` : node.n;
      button.append(label);
      if (!frame && box.h > 40 && box.w > 68) {
        const size = document.createElement('span');
        size.className = 'size';
        size.textContent = bytes(node.b);
        button.append(size);
      }
    }
    button.addEventListener('click', () => open(node, path));
    button.addEventListener('focus', () => { map.querySelectorAll('[tabindex="0"]').forEach(other => { other.tabIndex = -1; }); button.tabIndex = 0; show(node); });
    button.addEventListener('mouseenter', () => show(node));
    map.append(button);
  };

  const show = node => { detail.textContent = describe(node); };

  // Folders that have the room show what is in them, under a line with their name.
  const fill = (node, box, path) => {
    layout(limit((node.c || []).filter(child => child.b > 0), maxShown), box, (child, area) => {
      if (path.length && (area.w < minSide || area.h < minSide)) return;
      const below = [...path, child];
      const frame = opens(child) && below.length < maxDepth && area.w > 70 && area.h > 60 && map.childElementCount < maxCells;
      cell(child, area, below, frame);
      if (frame) fill(child, { x: area.x + 3, y: area.y + header, w: area.w - 6, h: area.h - header - 3 }, below);
    });
  };

  const draw = () => {
    const here = at[at.length - 1];
    map.replaceChildren();
    map.setAttribute('aria-label', `${here.n}, ${bytes(here.b)} in ${count(here.f)} files`);
    fill(here, { x: 0, y: 0, w: map.clientWidth, h: map.clientHeight }, []);
    if (map.firstElementChild) map.firstElementChild.tabIndex = 0;
    drawCrumbs();
  };

  const drawCrumbs = () => {
    crumbs.replaceChildren();
    at.forEach((node, i) => {
      if (i > 0) { const arrow = document.createElement('span'); arrow.textContent = '›'; arrow.setAttribute('aria-hidden', 'true'); crumbs.append(arrow); }
      const button = document.createElement('button');
      button.type = 'button';
      button.textContent = node.n;
      if (i === at.length - 1) button.setAttribute('aria-current', 'location');
      button.addEventListener('click', () => goTo(i));
      crumbs.append(button);
    });
    up.disabled = at.length === 1;
  };

  const open = (node, path) => {
    if (!opens(node)) { show(node); return; }
    at = [...at, ...path];
    draw();
    focusFirst();
    detail.textContent = `Opened ${describe(at[at.length - 1])}`;
  };
  const goTo = depth => {
    at = at.slice(0, Math.max(depth, 0) + 1);
    draw();
    focusFirst();
    detail.textContent = `Back at ${describe(at[at.length - 1])}`;
  };
  const focusFirst = () => { if (map.firstElementChild) map.firstElementChild.focus({ preventScroll: true }); };

  // The nearest cell in that direction, by the distance of the centres.
  const move = (from, dx, dy) => {
    const centre = box => [box.left + box.width / 2, box.top + box.height / 2];
    const [x, y] = centre(from.getBoundingClientRect());
    let best = null, least = Infinity;
    for (const other of map.children) {
      if (other === from) continue;
      const [ox, oy] = centre(other.getBoundingClientRect());
      const along = (ox - x) * dx + (oy - y) * dy, across = Math.abs((ox - x) * dy) + Math.abs((oy - y) * dx);
      if (along > 0.5 && along + 2 * across < least) { least = along + 2 * across; best = other; }
    }
    if (best) best.focus();
  };

  const arrows = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  map.addEventListener('keydown', event => {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    if (arrows[event.key] && event.target.classList.contains('cell')) move(event.target, ...arrows[event.key]);
    else if (event.key === 'Escape' || event.key === 'Backspace') { if (at.length > 1) goTo(at.length - 2); }
    else if (event.key === 'Home') goTo(0);
    else return;
    event.preventDefault();
  });
  up.addEventListener('click', () => goTo(at.length - 2));

  const legend = document.getElementById('legend');
  const range = i => i === 4 ? `${count(bounds[4])} hits and more` : bounds[i + 1] - 1 > bounds[i] ? `${count(bounds[i])}–${count(bounds[i + 1] - 1)}` : count(bounds[i]);
  [['0', 'never hit'], ...bounds.map((_, i) => [String(i + 1), range(i)]), ['dead', 'dead: invalidated, held until a restart']].forEach(([name, text]) => {
    const item = document.createElement('li'), sign = document.createElement('i');
    sign.className = `heat-${name}`;
    item.append(sign, text);
    legend.append(item);
  });

  document.getElementById('map-ui').hidden = false;
  draw();
  let width = map.clientWidth;
  new ResizeObserver(() => { if (map.clientWidth !== width) { width = map.clientWidth; draw(); } }).observe(map);
})();
