// The example shop in the browser: finds products, fills a cart, orders, and shows what becomes of orders as it happens.
//
// It speaks the marketplace's HTTP/JSON and nothing else, without a library. Whatever the server says is put in as text, never as HTML.

const API = new URL('../api/v1/', location.href);

/** Longest wait for an answer: an order may take half a minute until it is decided. */
const PATIENCE_MS = 45_000;

const PRODUCTS_PER_PAGE = 24;
const ORDERS_PER_PAGE = 5;

const pause = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));

// --- Calls ----------------------------------------------------------------------------------------------------------------------------

/** What the server says when it does not do what it was asked for. */
class Refused extends Error {
  constructor({ reason, message }, status) {
    super(message);
    this.reason = reason;
    /** Whether asking again may help. */
    this.isPassing = status >= 500 || status === 429;
  }
}

/** Integers beyond 2^53 become BigInts where the browser shows how they were written: money is exact. */
const exactly = (_, value, context) =>
  typeof value === 'number' && !Number.isSafeInteger(value) && context?.source ? BigInt(context.source) : value;

/** `stop`: a signal that nobody waits for it any more. */
async function call(path, options, ...stop) {
  const signal = AbortSignal.any([AbortSignal.timeout(PATIENCE_MS), ...stop]);
  const response = await fetch(new URL(path, API), { ...options, signal });
  const body = JSON.parse(await response.text(), exactly);
  // An order that is refused comes with 409: it is an answer, not an error.
  if (response.ok || body.order) return body;
  throw new Refused(body, response.status);
}

const get = (path, fields, ...stop) => call(`${path}?${new URLSearchParams(fields)}`, {}, ...stop);

const post = (path, body) =>
  call(path, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) });

/** Does one thing after the other: what is shown last is what was read last. */
function queue() {
  let last = Promise.resolve();
  return (work) => (last = last.then(work, work));
}

// --- Who buys -------------------------------------------------------------------------------------------------------------------------

const random = () => Array.from(crypto.getRandomValues(new Uint8Array(8)), (byte) => byte.toString(16).padStart(2, '0')).join('');

/** What this browser keeps: who its customer is, and the key of an order that is not decided yet. */
const kept = {
  get: (name) => localStorage.getItem(`souk.${name}`),
  set: (name, value) => localStorage.setItem(`souk.${name}`, value),
  forget: (name) => localStorage.removeItem(`souk.${name}`),
  getOrSet(name, make) {
    if (!this.get(name)) this.set(name, make());
    return this.get(name);
  },
};

const customer = kept.getOrSet('customer', () => `shopper-${random()}`);

// --- The page -------------------------------------------------------------------------------------------------------------------------

const byId = (id) => document.getElementById(id);

/** A copy of a template, and its places by name. */
function copy(template) {
  const root = byId(template).content.firstElementChild.cloneNode(true);
  const slots = {};
  for (const slot of root.querySelectorAll('[data-slot]')) slots[slot.dataset.slot] = slot;
  return [root, slots];
}

function put(slots, texts) {
  for (const [name, text] of Object.entries(texts)) slots[name].textContent = text;
}

function item(text) {
  const element = document.createElement('li');
  element.textContent = text;
  return element;
}

/** Draws a part of the page anew. Whoever is in it with the keyboard stays where they are, or at its head when that is gone. */
function redraw(parent, children) {
  const held = parent.contains(document.activeElement) ? document.activeElement.dataset.key : undefined;
  parent.replaceChildren(...children);
  if (held === undefined) return;
  const again = [...parent.querySelectorAll('[data-key]')].find((element) => element.dataset.key === held);
  (again ?? parent.closest('section')).focus({ preventScroll: true });
}

function toast(text) {
  byId('toast').textContent = text;
  byId('toast').classList.remove('shown');
  // Reading a size makes the browser notice that it was gone, so that it appears anew.
  void byId('toast').offsetWidth;
  byId('toast').classList.add('shown');
}

/** Says in a section what went wrong, in the server's own words; nothing takes it away. */
function say(section, ...texts) {
  const alert = byId(section).querySelector('.alert');
  alert.hidden = texts.length === 0;
  alert.replaceChildren(...texts.map((text) => Object.assign(document.createElement('span'), { textContent: text })));
}

function sayError(section, error, more) {
  const said = error instanceof Refused ? `${error.message} (${error.reason})` : `The marketplace does not answer: ${error.message}`;
  say(section, said, ...(more ? [more] : []));
}

/** Runs something for a section, and says there what goes wrong. */
async function attempt(section, work) {
  try {
    say(section);
    return await work();
  } catch (error) {
    if (error.name !== 'AbortError') sayError(section, error);
  }
}

function count(id, number) {
  byId(id).textContent = number;
  byId(id).hidden = number === 0;
}

// --- Money ----------------------------------------------------------------------------------------------------------------------------

const formats = new Map();

/** Minor units of a currency as people write them. The point is set among the digits: no amount becomes a fraction on the way. */
function money(minor, currency) {
  if (!formats.has(currency)) formats.set(currency, new Intl.NumberFormat(undefined, { style: 'currency', currency }));
  const format = formats.get(currency);
  const digits = format.resolvedOptions().maximumFractionDigits;
  const text = String(minor).padStart(digits + 1, '0');
  return format.format(digits === 0 ? text : `${text.slice(0, -digits)}.${text.slice(-digits)}`);
}

const times = (price, quantity) => BigInt(price) * BigInt(quantity);

// --- Vendors --------------------------------------------------------------------------------------------------------------------------

const vendors = new Map();

/** A vendor's name, which is asked for once; its id if it cannot be told. */
function vendorName(id) {
  const unknown = () => {
    vendors.delete(id);
    return id;
  };
  if (!vendors.has(id)) vendors.set(id, get('vendor', { vendor_id: id }).then((vendor) => vendor.name, unknown));
  return vendors.get(id);
}

async function showVendor(element, id) {
  Object.assign(element, { textContent: id, title: id });
  element.textContent = await vendorName(id);
}

// --- Pictures -------------------------------------------------------------------------------------------------------------------------

/** FNV-1a. */
const hash = (text) => [...text].reduce((sum, letter) => Math.imul(sum ^ letter.codePointAt(0), 0x01000193) >>> 0, 0x811c9dc5);

/** A star around a place, with every second corner further in. */
function star([x, y], points, outer, inner, kind) {
  const corner = (_, at) => {
    const [angle, radius] = [(at * Math.PI) / points, at % 2 ? inner : outer];
    return `${(x + radius * Math.sin(angle)).toFixed(1)},${(y - radius * Math.cos(angle)).toFixed(1)}`;
  };
  const polygon = document.createElementNS('http://www.w3.org/2000/svg', 'polygon');
  polygon.setAttribute('points', Array.from({ length: 2 * points }, corner).join(' '));
  polygon.setAttribute('class', kind);
  return polygon;
}

/** Stars in rows, every second of which begins half a step later: as tiles lie on a wall. */
const PLACES = [0, 18, 36, 54, 72].flatMap((y, row) => [0, 36, 72, 108].map((x) => [x + (row % 2) * 18 - 6, y]));

/** A pattern of tiles of a product's own, in the colour of its category: there are no photographs. */
function drawTile(svg, product) {
  const seed = hash(`${product.vendor_id}/${product.sku}`);
  const digit = (at, of) => (seed >>> at) % of;
  const points = [6, 8, 8, 10, 12][digit(0, 5)];
  const sharp = 0.52 + digit(4, 5) * 0.07;
  const [ring, core] = [0.6 + digit(8, 3) * 0.08, 0.3 + digit(12, 3) * 0.05];
  const sizes = [[1, ''], [ring, 'ring'], [core, 'core']];
  const draw = (place) => sizes.map(([size, kind]) => star(place, points, 13.2 * size, 13.2 * size * sharp, kind));
  svg.style.setProperty('--hue', (hash(product.category) % 36) * 10 + digit(16, 5) * 6);
  svg.style.setProperty('--core', [14, 40, 170, 205][digit(20, 4)]);
  svg.replaceChildren(...PLACES.flatMap(draw));
}

// --- Products -------------------------------------------------------------------------------------------------------------------------

let browsing = new AbortController();
let next = {};

const filters = () => Object.fromEntries([...new FormData(byId('filters'))].filter(([, value]) => value !== ''));

function productCard(product) {
  const [card, slots] = copy('product');
  const { rating_count: ratings, rating_sum: stars, stock } = product;
  put(slots, {
    name: product.name,
    category: product.category,
    price: money(product.price, product.currency),
    rating: ratings > 0 ? `★ ${(stars / ratings).toFixed(1)} (${ratings})` : 'not rated yet',
    stock: stock === 0 ? 'sold out' : stock <= 5 ? `only ${stock} left` : `${stock} in stock`,
  });
  slots.stock.classList.toggle('low', stock > 0 && stock <= 5);
  card.classList.toggle('gone', stock === 0);
  showVendor(slots.vendor, product.vendor_id);
  drawTile(card.querySelector('.tile'), product);
  slots.add.disabled = stock === 0;
  slots.add.ariaLabel = `Add ${product.name} to the cart`;
  slots.add.onclick = () => add(product);
  return card;
}

/** The first page of what is looked for. Who looks for something else meanwhile does not wait for it. */
function browse() {
  browsing.abort();
  browsing = new AbortController();
  return attempt('shop', async () => {
    const fields = { ...filters(), page_size: PRODUCTS_PER_PAGE };
    byId('products').ariaBusy = 'true';
    // It belongs to what was looked for before.
    byId('more').hidden = true;
    const page = await get('products', fields, browsing.signal);
    byId('products').replaceChildren(...page.products.map(productCard));
    shown(fields, page);
  });
}

async function more() {
  byId('more').disabled = true;
  await attempt('shop', async () => {
    const page = await get('products', next, browsing.signal);
    const cards = page.products.map(productCard);
    byId('products').append(...cards);
    shown(next, page);
    cards[0]?.focus({ preventScroll: true });
  });
  byId('more').disabled = false;
}

function shown(fields, page) {
  next = { ...fields, cursor: page.next_cursor };
  const number = byId('products').childElementCount;
  byId('more').hidden = page.next_cursor === '';
  byId('products').ariaBusy = 'false';
  byId('found').textContent = number === 0 ? 'nothing found' : `${number} shown${page.next_cursor ? ', there are more' : ''}`;
}

async function showCategories() {
  const { categories } = await get('categories', {});
  const chips = categories.map(({ name, products }) => {
    const [chip, slots] = copy('chip');
    put(slots, { name, products });
    chip.querySelector('input').value = name;
    return chip;
  });
  document.querySelector('.chips').append(...chips);
}

function watchFilters() {
  let typed;
  const look = () => {
    clearTimeout(typed);
    goTo('shop');
    browse();
  };
  byId('filters').onsubmit = (event) => {
    event.preventDefault();
    look();
  };
  byId('filters').onchange = look;
  // It stands elsewhere on the page. Each letter is no question of its own.
  byId('filters').elements.text.oninput = () => {
    clearTimeout(typed);
    typed = setTimeout(look, 250);
  };
  byId('more').onclick = more;
}

// --- The cart -------------------------------------------------------------------------------------------------------------------------

const withCart = queue();

function add(product) {
  const line = { customer, vendor_id: product.vendor_id, sku: product.sku, quantity: 1 };
  return withCart(() =>
    attempt('shop', async () => {
      showCart(await post('cart/add', line));
      toast(`${product.name} is in the cart`);
    }),
  );
}

/** Whatever comes of it, the cart is then shown as it is. */
function change(vendor_id, sku, quantity) {
  return withCart(() =>
    attempt('cart', async () => {
      try {
        showCart(await post('cart/change', { customer, vendor_id, sku, quantity }));
      } catch (error) {
        await readCart();
        throw error;
      }
    }),
  );
}

const readCart = async () => showCart(await get('cart', { customer }));

function cartLine(vendor, item, currency) {
  const [line, slots] = copy('cart-line');
  put(slots, { name: item.name, each: `${money(item.price, currency)} each`, price: money(times(item.price, item.quantity), currency) });
  const { less, quantity, more, remove } = slots;
  quantity.value = item.quantity;
  const set = (number) => change(vendor, item.sku, number);
  // Not disabled: who is on it with the keyboard would fall off the page.
  less.ariaDisabled = String(item.quantity <= 1);
  less.onclick = () => (item.quantity > 1 ? set(Number(item.quantity) - 1) : undefined);
  more.onclick = () => set(Number(item.quantity) + 1);
  remove.onclick = () => set(0);
  quantity.onchange = () => (quantity.reportValidity() ? set(quantity.valueAsNumber) : undefined);
  const names = { less: 'One less', quantity: 'Quantity', more: 'One more', remove: 'Remove' };
  for (const [name, label] of Object.entries(names)) {
    slots[name].ariaLabel = `${label}: ${item.name}`;
    slots[name].dataset.key = JSON.stringify([vendor, item.sku, name]);
  }
  return line;
}

function showCart(cart) {
  const parts = cart.vendors.map((vendor) => {
    const [part, slots] = copy('cart-vendor');
    showVendor(slots.vendor, vendor.vendor_id);
    slots.total.textContent = money(vendor.total, cart.currency);
    slots.lines.append(...vendor.items.map((item) => cartLine(vendor.vendor_id, item, cart.currency)));
    return part;
  });
  const pieces = cart.vendors.flatMap((vendor) => vendor.items).reduce((sum, item) => sum + Number(item.quantity), 0);
  const isEmpty = parts.length === 0;
  count('cart-count', pieces);
  byId('cart-empty').hidden = !isEmpty;
  byId('checkout').hidden = isEmpty;
  byId('cart-total').textContent = isEmpty ? '' : money(cart.total, cart.currency);
  redraw(byId('cart-vendors'), parts);
}

// --- Checkout -------------------------------------------------------------------------------------------------------------------------

/**
 * Orders what is in the cart. The key is kept until the order is decided, over a lost answer and a reload too: whatever is sent again with it is the same
 * order or none.
 */
async function place() {
  const idempotency_key = kept.getOrSet('key', random);
  const request = { customer, idempotency_key, payment_token: byId('checkout').elements.payment_token.value };
  try {
    return await untilDecided(async () => (await post('cart/checkout', request)).order);
  } catch (error) {
    // An earlier try came through, and it was for something else: what became of that comes first.
    if (error.reason === 'ALREADY_EXISTS') return untilDecided(() => get('order', { customer, idempotency_key }));
    throw error;
  }
}

async function untilDecided(ask) {
  for (;;) {
    const order = await ask();
    if (order.state !== 'pending') return order;
    await pause(1000);
  }
}

/** An order is decided: its key has done what it is for. */
async function decided(order) {
  kept.forget('key');
  await readCart();
  await readOrders();
  if (order.state === 'refused') {
    say('cart', 'The order was refused, and nothing was taken.', ...order.refusals.map((why) => `${why.message} (${why.reason})`));
    return;
  }
  goTo('orders');
  byId('orders').focus({ preventScroll: true });
  toast('The order is placed');
}

function checkout(event) {
  event.preventDefault();
  const button = byId('checkout').querySelector('[type=submit]');
  // Once is enough, however often it is pressed.
  if (button.ariaBusy === 'true') return;
  button.ariaBusy = 'true';
  return withCart(async () => {
    say('cart');
    try {
      const order = await place();
      await attempt('cart', () => decided(order));
    } catch (error) {
      const isOpen = !(error instanceof Refused) || error.isPassing;
      sayError('cart', error, isOpen && 'Place the order once more: it is the same order, and is not placed twice.');
    }
    button.ariaBusy = 'false';
  });
}

/** What became of an order whose answer did not come. If nothing did, its key is the next one's. */
async function settle() {
  const idempotency_key = kept.get('key');
  if (!idempotency_key) return;
  try {
    const known = await get('order', { customer, idempotency_key });
    if (known.state === 'pending') return;
    kept.forget('key');
    say('cart');
  } catch (error) {
    if (error.reason !== 'NOT_FOUND') throw error;
  }
}

/** The cart after a time in which nobody listened: it is in the marketplace's memory, and may be gone. */
const findCart = () =>
  withCart(async () => {
    await settle();
    await readCart();
  });

// --- Orders ---------------------------------------------------------------------------------------------------------------------------

const withOrders = queue();
let orders = new Map();
let olderCursor = '';

const WAY = ['placed', 'shipped', 'delivered'];
/** What a vendor does next with a part. There is no vendor here but whoever tries it out. */
const NEXT = { placed: ['order/ship', 'Ship it, as the vendor'], shipped: ['order/deliver', 'Deliver it, as the vendor'] };

function showState(element, state) {
  element.textContent = state;
  element.dataset.state = state;
}

function orderPart(order, part) {
  const [section, slots] = copy('part');
  showVendor(slots.vendor, part.vendor_id);
  showState(slots.state, part.state);
  // All parts of an order that is refused are: it says so itself.
  slots.state.hidden = part.state === 'refused';
  const reached = WAY.indexOf(part.state);
  slots.way.hidden = reached < 0;
  [...slots.way.children].forEach((step, at) => step.classList.toggle('reached', at <= reached));
  slots.items.append(...part.items.map((of) => item(`${of.quantity} × ${of.name}`)));
  const [path, label] = NEXT[part.state] ?? [];
  slots.act.hidden = !path;
  slots.act.textContent = label ?? '';
  slots.act.dataset.key = JSON.stringify([order.order_id, part.vendor_id]);
  // What it does is seen when it is told, as if another had done it.
  slots.act.onclick = () => attempt('orders', () => post(path, { order_id: order.order_id, vendor_id: part.vendor_id }));
  return section;
}

function orderCard(order) {
  const [card, slots] = copy('order');
  const { order_id: id, state, refusals } = order;
  put(slots, { number: id.slice(-8), total: money(order.total, order.currency), when: new Date(Number(order.created_at)).toLocaleString() });
  slots.number.title = id;
  card.dataset.order = id;
  showState(slots.state, state);
  slots.refusals.hidden = refusals.length === 0;
  slots.refusals.append(...refusals.map((why) => item(`${why.message} (${why.reason})`)));
  slots.parts.append(...order.parts.map((part) => orderPart(order, part)));
  return card;
}

function showOrders() {
  const sorted = [...orders.values()].sort((one, other) => other.created_at - one.created_at);
  byId('orders-empty').hidden = sorted.length > 0;
  byId('older').hidden = olderCursor === '';
  count('orders-count', sorted.filter((order) => ['pending', 'placed', 'shipped'].includes(order.state)).length);
  redraw(byId('orders-list'), sorted.map(orderCard));
}

const readPage = (cursor) =>
  withOrders(() =>
    attempt('orders', async () => {
      const page = await get('orders', { customer, page_size: ORDERS_PER_PAGE, cursor });
      // Anew from the first page: what was shown of others may be old.
      if (cursor === '') orders = new Map();
      for (const order of page.orders) orders.set(order.order_id, order);
      olderCursor = page.next_cursor;
      showOrders();
    }),
  );

const readOrders = () => readPage('');

/** One order as it is now. */
const readOrder = (order_id) =>
  withOrders(() =>
    attempt('orders', async () => {
      orders.set(order_id, await get('order', { customer, order_id }));
      showOrders();
      document.querySelector(`[data-order="${CSS.escape(order_id)}"]`).classList.add('changed');
    }),
  );

/**
 * Listens to what becomes of orders. After each new connection orders are read: what was told in between is in them. The browser connects again by itself;
 * where it gives up, as when its place among the events is too old, this begins anew.
 */
function listen(wasAway = false) {
  const source = new EventSource(new URL(`events?${new URLSearchParams({ patterns: 'order.*', customer })}`, API));
  source.onopen = () => {
    showState(byId('live'), 'live');
    readOrders();
    if (wasAway) findCart().catch((error) => sayError('cart', error));
  };
  for (const kind of ['placed', 'shipped', 'delivered', 'cancelled', 'refunded']) {
    source.addEventListener(`order.${kind}`, async ({ data }) => {
      const event = JSON.parse(data);
      readOrder(JSON.parse(event.data).order_id);
      if (kind !== 'placed') toast(`Your order from ${await vendorName(event.vendor_id)} is ${kind}`);
    });
  }
  source.onerror = async () => {
    wasAway = true;
    showState(byId('live'), 'waiting');
    if (source.readyState !== EventSource.CLOSED) return;
    await pause(2000);
    listen(true);
  };
}

// --- Where one is, on a narrow screen -------------------------------------------------------------------------------------------------

const VIEWS = ['shop', 'cart', 'orders'];

function showView() {
  const view = VIEWS.find((name) => location.hash === `#${name}`) ?? 'shop';
  document.body.dataset.view = view;
  byId('toast').classList.remove('shown');
  for (const link of document.querySelectorAll('.places a')) {
    if (link.hash === `#${view}`) link.ariaCurrent = 'true';
    else link.removeAttribute('aria-current');
  }
  // It was not there when the browser looked for it.
  if (location.hash) byId(view).scrollIntoView();
}

function goTo(view) {
  history.replaceState(null, '', `#${view}`);
  showView();
}

function begin() {
  byId('customer').textContent = customer;
  window.onhashchange = showView;
  showView();
  watchFilters();
  byId('checkout').onsubmit = checkout;
  byId('older').onclick = () => readPage(olderCursor);
  attempt('shop', showCategories);
  browse();
  attempt('cart', findCart);
  listen();
}

begin();
