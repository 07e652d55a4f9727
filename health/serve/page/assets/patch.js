'use strict';
// Brings an element to new HTML and touches only what differs, so that focus,
// open lists, scroll positions and selections stay. Elements with an id are
// recognised by it, others by their place. What is marked data-keep is the
// page's own.
const patch = (() => {
  const kept = new Set(['open', 'hidden']);

  function attributes(old, next) {
    for (const {name} of [...old.attributes]) {
      if (!next.hasAttribute(name) && !kept.has(name)) old.removeAttribute(name);
    }
    for (const {name, value} of next.attributes) {
      if (!kept.has(name) && old.getAttribute(name) !== value) old.setAttribute(name, value);
    }
  }

  const same = (a, b) => a.nodeType === b.nodeType && a.nodeName === b.nodeName && (a.id || '') === (b.id || '');

  function children(old, next) {
    const wantedIds = new Set([...next.children].map(child => child.id));
    const byId = new Map();
    for (const child of [...old.children]) {
      if (child.id && !wantedIds.has(child.id)) child.remove();
      else if (child.id) byId.set(child.id, child);
    }
    let at = old.firstChild;
    const drop = () => {
      const gone = at;
      at = at.nextSibling;
      gone.remove();
    };
    for (const wanted of [...next.childNodes]) {
      const known = wanted.id ? byId.get(wanted.id) : undefined;
      // Dropping what stands before it moves nothing: a moved element loses the focus.
      if (known) while (at && at !== known && !at.id) drop();
      const here = known ?? at;
      if (here && same(here, wanted)) {
        if (here === at) at = at.nextSibling;
        else old.insertBefore(here, at);
        morph(here, wanted);
      } else {
        old.insertBefore(document.importNode(wanted, true), at);
      }
    }
    while (at) drop();
  }

  function morph(old, next) {
    if (old.nodeType !== Node.ELEMENT_NODE) {
      if (old.nodeValue !== next.nodeValue) old.nodeValue = next.nodeValue;
      return;
    }
    if ('keep' in old.dataset || old.isEqualNode(next)) return;
    attributes(old, next);
    children(old, next);
  }

  return ({id, html}) => {
    const holder = document.createElement('template');
    holder.innerHTML = html;
    const old = document.getElementById(id), next = holder.content.firstElementChild;
    if (old && next) morph(old, next);
  };
})();
