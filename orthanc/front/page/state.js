/* Says whether PACS and node answer, in their own words, every few seconds. */
const seconds = 5;

function show(name, good, words) {
  const place = document.querySelector(`[data-of="${name}"]`);
  place.className = good ? 'good' : 'bad';
  place.textContent = words;
}

async function ask(name, words) {
  try {
    const answer = await fetch(`state/${name}`, { cache: 'no-store' });
    const [good, text] = words(await answer.json());
    show(name, good, text);
  } catch {
    show(name, false, 'no answer yet');
  }
}

function pacs({ CountStudies: studies, CountInstances: objects }) {
  return [true, `${studies} studies, ${objects} objects`];
}

function node({ ready, first_broken: broken, components }) {
  return [ready, ready ? 'all parts work' : `${broken}: ${components[broken].words}`];
}

async function look() {
  await Promise.all([ask('pacs', pacs), ask('node', node)]);
  setTimeout(look, seconds * 1000);
}

/* The ports may have been chosen otherwise; the page is served with a list of them. */
async function addresses() {
  const answer = await fetch('ports.json', { cache: 'no-store' });
  const ports = await answer.json();
  for (const link of document.querySelectorAll('[data-port]')) {
    const address = new URL(link.href);
    address.hostname = location.hostname;
    address.port = ports[link.dataset.port];
    link.href = address.href;
  }
}

addresses();
look();
