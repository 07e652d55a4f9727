'use strict';
(() => {
  const byId = id => document.getElementById(id);
  const build = document.body.dataset.build;
  let version = document.body.dataset.version;

  // What assistive technology is told: the sentences that changed, few at a time.
  const mostSaid = 4;
  const said = () => new Map([...document.querySelectorAll('[data-say]')].map(e => [e.id, e.dataset.say]));

  function announce(before) {
    const news = [...said()].filter(([id, text]) => before.get(id) !== text).map(([, text]) => text);
    if (!news.length) return;
    const more = news.length > mostSaid ? [`${news.length - mostSaid} more changes`] : [];
    byId('announcer').textContent = news.slice(0, mostSaid).concat(more).join('. ');
  }

  // The filter hides rows, and opens the lists that have some left.
  let opened = null;

  function filterRows(query) {
    let shown = 0;
    for (const row of document.querySelectorAll('#apps tbody tr')) {
      const group = row.closest('details');
      const text = row.textContent + ' ' + group.querySelector('.release').textContent;
      row.hidden = query !== '' && !text.toLowerCase().includes(query);
      if (!row.hidden) shown++;
    }
    return shown;
  }

  function filter() {
    const input = byId('filter');
    if (!input) return;
    const query = input.value.trim().toLowerCase();
    const groups = document.querySelectorAll('#apps details');
    if (query === '' && opened === null) return;
    opened ??= new Map([...groups].map(g => [g.id, g.open]));
    const shown = filterRows(query);
    for (const group of groups) {
      group.hidden = query !== '' && !group.querySelector('tbody tr:not([hidden])');
      group.open = query !== '' ? !group.hidden : opened.get(group.id) ?? group.open;
    }
    byId('filter-result').textContent = query === '' ? '' : `${shown} shown`;
    if (query === '') opened = null;
  }

  function showFilter() {
    const ui = byId('filter-ui');
    if (ui) ui.hidden = false;
  }

  function update(news) {
    if (news.build !== build) {
      location.reload();
      return;
    }
    const before = said();
    news.patches.forEach(patch);
    showFilter();
    if (news.patches.some(p => p.id === 'apps' || p.id.startsWith('app-'))) filter();
    version = news.version;
    charts.update(news.rates);
    announce(before);
  }

  // The state of the connection. An event comes at least every 15 s.
  const silence = 45000, old = 60;
  let source, watch, wait = 2000;

  function live(kind, text) {
    const element = byId('live');
    if (element.textContent === text) return;
    element.className = kind;
    element.textContent = text;
  }

  function heard() {
    wait = 2000;
    clearTimeout(watch);
    watch = setTimeout(() => { source.close(); again(); }, silence);
  }

  function again() {
    clearTimeout(watch);
    live('lost', 'Connection lost. The figures are those of the last sample; trying again.');
    setTimeout(connect, wait);
    wait = Math.min(wait * 2, 60000);
  }

  function connect() {
    source = new EventSource('events?version=' + encodeURIComponent(version));
    source.addEventListener('open', heard);
    source.addEventListener('update', event => {
      heard();
      update(JSON.parse(event.data));
      live('on', 'Live');
    });
    source.addEventListener('beat', event => {
      heard();
      const {age} = JSON.parse(event.data);
      if (age > old) live('lost', `No new sample for ${Math.round(age)} s.`);
    });
    source.addEventListener('error', () => { source.close(); again(); });
  }

  showFilter();
  document.addEventListener('input', event => { if (event.target.id === 'filter') filter(); });
  charts.start();
  connect();
})();
