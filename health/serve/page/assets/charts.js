'use strict';
// The two charts. They begin empty and are given all points, then new ones.
const charts = (() => {
  const palette = ['--colour-0', '--colour-1', '--colour-2', '--colour-3', '--colour-4', '--colour-5'];
  const css = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const percent = v => v == null ? '-' : (v * 100).toFixed(v >= 0.9995 || v < 0.1 ? 0 : 1) + ' %';
  const rate = v => v == null ? '-' : v.toLocaleString('en', {maximumFractionDigits: v < 10 ? 1 : 0}) + '/s';
  const leastSpan = 60; // seconds that a chart shows at least
  const drawn = {
    hits: {place: 'chart-hits', text: percent, range: (_, low) => [Math.max(0, Math.min(low ?? 1, 0.98) - 0.02), 1], plot: null},
    requests: {place: 'chart-requests', text: rate, range: (_, __, high) => [0, Math.max(1, (high ?? 0) * 1.1)], plot: null},
  };
  let times = [], lines = {hits: [], requests: []}, marks = [];

  // Deploys' cut-overs are lines from top to bottom.
  function drawMarks(u) {
    const {ctx, bbox} = u;
    ctx.save();
    ctx.strokeStyle = css('--mark');
    ctx.lineWidth = devicePixelRatio * 1.5;
    ctx.setLineDash([4 * devicePixelRatio, 3 * devicePixelRatio]);
    for (const mark of marks) {
      const x = Math.round(u.valToPos(mark.time, 'x', true));
      if (x < bbox.left || x > bbox.left + bbox.width) continue;
      ctx.beginPath();
      ctx.moveTo(x, bbox.top);
      ctx.lineTo(x, bbox.top + bbox.height);
      ctx.stroke();
    }
    ctx.restore();
  }

  // uPlot's own range of a single point is years.
  const span = () => [Math.min(times[0], times.at(-1) - leastSpan), times.at(-1)];

  function options(chart, names, width) {
    const axis = {stroke: css('--quiet'), grid: {stroke: css('--line'), width: 1}, ticks: {stroke: css('--line'), width: 1}, font: '12px system-ui, sans-serif'};
    const series = names.map((label, i) => ({
      label, stroke: css(palette[i % palette.length]), width: 2, dash: i % 2 ? [8, 3] : undefined, value: (_, v) => chart.text(v),
    }));
    const value = (_, seconds) => seconds == null ? '-' : new Date(seconds * 1000).toISOString().slice(11, 19);
    return {
      width, height: 190, tzDate: seconds => uPlot.tzDate(new Date(seconds * 1000), 'Etc/UTC'),
      scales: {x: {range: span}, y: {range: chart.range}}, series: [{label: 'UTC', value}, ...series],
      axes: [{...axis, values: [[86400, '{YYYY}-{MM}-{DD}', null, null, null, null, null, null, 1], [3600, '{HH}:{mm}', '\n{YYYY}-{MM}-{DD}', null, null, null, null, null, 1],
        [60, '{HH}:{mm}', null, null, null, null, null, null, 1], [1, '{HH}:{mm}:{ss}', null, null, null, null, null, null, 1]]},
      {...axis, size: 64, values: (_, ticks) => ticks.map(chart.text)}],
      cursor: {drag: {x: false, y: false}, sync: {key: 'relink'}}, legend: {live: true}, hooks: {draw: [drawMarks]},
    };
  }

  const data = key => [times, ...lines[key].map(line => line.values)];

  function build() {
    document.getElementById('charts').hidden = times.length === 0;
    for (const [key, chart] of Object.entries(drawn)) {
      const place = document.getElementById(chart.place);
      chart.plot?.destroy();
      chart.plot = times.length === 0 ? null : new uPlot(options(chart, lines[key].map(l => l.name), place.clientWidth), data(key), place);
    }
  }

  function add(rates) {
    const stays = times.map(t => t >= rates.from && t <= rates.until);
    const join = (old, news) => old.filter((_, i) => stays[i]).concat(news);
    for (const key of ['hits', 'requests']) {
      lines[key] = lines[key].map((line, i) => ({name: line.name, values: join(line.values, rates[key][i].values)}));
    }
    times = join(times, rates.times);
  }

  function update(rates) {
    marks = rates.marks;
    if (rates.full) {
      times = rates.times;
      lines = {hits: rates.hits, requests: rates.requests};
      build();
    } else {
      add(rates);
      for (const [key, chart] of Object.entries(drawn)) chart.plot?.setData(data(key));
    }
  }

  function resize() {
    for (const chart of Object.values(drawn)) {
      const width = document.getElementById(chart.place).clientWidth;
      if (chart.plot && width && width !== chart.plot.width) chart.plot.setSize({width, height: 190});
    }
  }

  function start() {
    new ResizeObserver(resize).observe(document.getElementById('charts'));
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', build);
  }

  return {start, update, points: () => times.length};
})();
