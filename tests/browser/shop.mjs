// Buys something in the example shop with a real browser, and looks at what the page makes of it.
//
//     node shop.mjs http://HOST:PORT CHROMIUM [FOLDER_FOR_PICTURES]
//
// Nothing is timed: what shall become so is waited for.

import assert from 'node:assert/strict';
import path from 'node:path';
import { chromium } from 'playwright-core';

const [base, program, pictures] = process.argv.slice(2);

/** How long is waited for anything. */
const PATIENCE_MS = 60_000;

/** In whose way amounts are written. */
const LOCALE = 'en-GB';

const euros = (cents) => new Intl.NumberFormat(LOCALE, { style: 'currency', currency: 'EUR' }).format(cents / 100);

/** One of the page's requests that is answered so stands in its console. */
const refused = (complaints, status) => {
  assert.equal(complaints.length, 1, complaints.join('\n'));
  assert.match(complaints.pop(), new RegExp(`responded with a status of ${status} `));
};

async function ask(method, where, body) {
  const headers = { 'content-type': 'application/json' };
  const response = await fetch(`${base}/api/v1/${where}`, { method, headers, body: body && JSON.stringify(body) });
  assert.ok(response.ok, `${method} ${where}: ${response.status}`);
  return response.json();
}

/** A page with everything that went wrong in it. */
async function open(browser, viewport, more = {}) {
  const context = await browser.newContext({ viewport, locale: LOCALE, ...more });
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE_MS);
  const complaints = [];
  page.on('console', (message) => ['error', 'warning'].includes(message.type()) && complaints.push(message.text()));
  page.on('pageerror', (error) => complaints.push(String(error)));
  page.on('request', (request) => request.url().startsWith(base) || complaints.push(`it asked ${request.url()}`));
  await page.goto(`${base}/shop/`);
  await page.locator('.product').first().waitFor();
  await page.locator('#live[data-state=live]').waitFor({ state: 'attached' });
  return { page, complaints };
}

async function picture(page, name) {
  if (!pictures) return;
  // What moves comes to rest first.
  await page.waitForTimeout(700);
  await page.screenshot({ path: path.join(pictures, `${name}.png`) });
}

/** Waits until one of these elements has exactly this text, or one like it. */
async function reads(locator, text) {
  const exact = (text) => new RegExp(`^${text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}$`);
  await locator.filter({ hasText: text instanceof RegExp ? text : exact(text) }).first().waitFor();
}

/** Products are those of this search once all that are shown are. */
async function search(page, word) {
  await page.getByRole('searchbox').fill(word);
  await page.waitForFunction((word) => {
    const names = [...document.querySelectorAll('#products:not([aria-busy=true]) h2')];
    return names.length > 0 && names.every((name) => name.textContent.toLowerCase().includes(word));
  }, word);
}

/** Puts the first product of each of two vendors into the cart. */
async function addOfTwoVendors(page) {
  const cards = page.locator('.product:not(.gone)');
  const vendors = await cards.locator('[data-slot=vendor]').evaluateAll((all) => all.map((one) => one.title));
  const other = vendors.findIndex((vendor) => vendor !== vendors[0]);
  assert.ok(other > 0, `all are of one vendor: ${vendors}`);
  for (const at of [0, other]) await cards.nth(at).getByRole('button', { name: /^Add / }).click();
  await page.locator('#cart .vendor').nth(1).waitFor({ state: 'attached' });
  return [vendors[0], vendors[other]];
}

/** The cart that the page shows is the one that the server has. */
async function checkCart(page, customer) {
  const cart = await ask('GET', `cart?customer=${customer}`);
  await reads(page.locator('#cart-total'), euros(cart.total));
  for (const [at, vendor] of cart.vendors.entries()) {
    await reads(page.locator('#cart .vendor').nth(at).locator('[data-slot=total]'), euros(vendor.total));
  }
  return cart;
}

async function buyOnAWideScreen(browser) {
  const { page, complaints } = await open(browser, { width: 1360, height: 900 });
  const customer = await page.locator('#customer').textContent();
  await picture(page, 'wide-shop');

  // What a vendor calls its goods is text.
  const [{ vendor_id }] = (await ask('GET', 'products?page_size=1')).products;
  const name = '<img src=x onerror="document.title=1"> & <b>bold</b> curtain';
  await ask('POST', 'products', { vendor_id, sku: 'HTML', name, category: 'textiles', price: 123456, stock: 4 });
  await search(page, 'curtain');
  await reads(page.locator('.product h2'), name);
  assert.equal(await page.locator('#products img, #products b').count(), 0);
  await reads(page.locator('.product [data-slot=price]'), euros(123456));

  // Category and sort, and a page more.
  await search(page, 'a');
  await page.locator('.chip', { hasText: /^lighting/ }).click();
  await page.getByLabel('Sort by').selectOption('-price');
  await page.waitForFunction(() => {
    const kinds = [...document.querySelectorAll('#products:not([aria-busy=true]) .kind')];
    return kinds.length > 0 && kinds.every((kind) => kind.textContent === 'lighting');
  });
  const prices = await ask('GET', 'products?text=a&category=lighting&sort=-price&page_size=48');
  const dearest = page.locator('.product [data-slot=price]');
  await reads(dearest.first(), euros(prices.products[0].price));
  await page.getByRole('button', { name: 'Show more' }).click();
  await dearest.nth(prices.products.length - 1).waitFor();
  assert.deepEqual(await dearest.allTextContents(), prices.products.map((product) => euros(product.price)));

  await page.locator('.chip', { hasText: /^All/ }).click();
  await page.getByLabel('In stock only').check();
  await search(page, 'lamp');
  await page.waitForFunction(() => document.querySelectorAll('.product.gone').length === 0);
  const vendors = await addOfTwoVendors(page);
  await checkCart(page, customer);

  // By keyboard: whoever is on a button stays there while the cart is drawn anew.
  const first = page.locator('#cart .line').first();
  await first.getByRole('button', { name: /^One more/ }).focus();
  for (const quantity of ['2', '3']) {
    await page.keyboard.press('Enter');
    await page.waitForFunction((quantity) => document.querySelector('#cart .line input').value === quantity, quantity);
    assert.match(await page.evaluate(() => document.activeElement.ariaLabel), /^One more/);
  }
  await first.getByRole('spinbutton').fill('2');
  await page.keyboard.press('Tab');
  await reads(page.locator('#cart-count'), '3');
  const cart = await checkCart(page, customer);
  assert.deepEqual(cart.vendors.map((vendor) => vendor.vendor_id), vendors.toSorted());

  // One more that is taken out again.
  await page.locator('.product:not(.gone)').last().getByRole('button').click();
  await reads(page.locator('#cart-count'), '4');
  const extra = await page.locator('.product:not(.gone) h2').last().textContent();
  await page.locator('#cart .line', { hasText: extra }).getByRole('button', { name: /^Remove/ }).click();
  await reads(page.locator('#cart-count'), '3');

  // What the server does not do it says why.
  assert.deepEqual(complaints, []);
  await ask('POST', 'products', { vendor_id, sku: 'USD', name: 'Imported lamp', category: 'lighting', price: 5, currency: 'USD', stock: 4 });
  await search(page, 'imported');
  await reads(page.locator('.product [data-slot=price]'), 'US$0.05');
  await page.locator('.product button').click();
  await reads(page.locator('#shop .alert'), "the cart is in EUR, `USD` costs USD: order it by itself (WRONG_STATE)");
  refused(complaints, 409);
  assert.deepEqual(await checkCart(page, customer), cart);
  await search(page, 'lamp');

  // A card that is declined: the refusal is told, and the cart is what it was.
  await page.getByLabel('Pay with').selectOption('decline');
  await page.getByRole('button', { name: 'Place the order' }).click();
  await reads(page.locator('#cart .alert'), /PAYMENT_DECLINED/);
  await reads(page.locator('#orders .order > h3 .state'), 'refused');
  assert.deepEqual(await checkCart(page, customer), cart);
  await page.waitForFunction(() => document.querySelector('#checkout [type=submit]').ariaBusy !== 'true');
  refused(complaints, 409);
  await picture(page, 'wide-declined');

  // A good one.
  await page.evaluate(() => (window.isTheSamePage = true));
  await page.getByLabel('Pay with').selectOption('ok');
  await page.getByRole('button', { name: 'Place the order' }).click();
  const order = page.locator('#orders .order').first();
  await reads(order.locator('h3 .state'), 'placed');
  await page.locator('#cart-empty').waitFor();
  await reads(order.locator('[data-slot=total]'), euros(cart.total));
  const { orders } = await ask('GET', `orders?customer=${customer}`);
  assert.deepEqual(orders.map((order) => order.state), ['placed', 'refused']);
  assert.equal(await order.getAttribute('data-order'), orders[0].order_id);
  await picture(page, 'wide-placed');

  // Its vendors send it, elsewhere; one after the other.
  const part = (vendor) => order.locator('.part', { has: page.locator(`[title="${vendor}"]`) }).locator('.state');
  await ask('POST', 'order/ship', { order_id: orders[0].order_id, vendor_id: vendors[0] });
  await reads(part(vendors[0]), 'shipped');
  assert.equal(await part(vendors[1]).textContent(), 'placed');
  assert.equal(await order.locator('h3 .state').textContent(), 'placed', 'an order is as far on as its last part');
  await picture(page, 'wide-half-shipped');
  await ask('POST', 'order/ship', { order_id: orders[0].order_id, vendor_id: vendors[1] });
  await reads(order.locator('h3 .state'), 'shipped');
  assert.equal(await page.evaluate(() => window.isTheSamePage), true, 'it was loaded anew');
  await picture(page, 'wide-shipped');

  // Who tries it out is vendor too.
  await order.getByRole('button', { name: 'Deliver it' }).first().click();
  await reads(order.locator('.part .state').first(), 'delivered');
  assert.deepEqual(complaints, []);
  await page.context().close();
}

/** The answer to a checkout is lost, and the page is left before it is tried again: the order is placed once. */
async function loseAnAnswer(browser) {
  const { page, complaints } = await open(browser, { width: 1000, height: 800 });
  const customer = await page.locator('#customer').textContent();
  const keys = [];
  await page.route('**/cart/checkout', async (route) => {
    keys.push(route.request().postDataJSON().idempotency_key);
    if (keys.length > 2) return route.continue();
    // The first is lost on its way, the second is answered and the answer is lost.
    if (keys.length === 2) await route.fetch();
    await route.abort();
  });
  await page.locator('.product:not(.gone) button').first().click();
  await reads(page.locator('#cart-count'), '1');
  const place = page.getByRole('button', { name: 'Place the order' });
  for (const tries of [1, 2]) {
    await place.click();
    await reads(page.locator('#cart .alert'), /is not placed twice/);
    await page.waitForFunction(() => document.querySelector('#checkout [type=submit]').ariaBusy !== 'true');
    assert.equal(keys.length, tries);
    if (tries === 1) {
      await page.reload();
      await reads(page.locator('#cart-count'), '1');
    }
  }
  await picture(page, 'wide-lost');
  await place.click();
  await page.locator('#cart-empty').waitFor();
  await reads(page.locator('#orders .order h3 .state'), 'placed');
  assert.deepEqual([keys.length, new Set(keys).size], [3, 1], 'one order has one key');
  assert.equal((await ask('GET', `orders?customer=${customer}`)).orders.length, 1);
  // The next order has another.
  await page.locator('.product:not(.gone) button').first().click();
  await place.click();
  await page.locator('#orders .order').nth(1).waitFor();
  assert.equal(new Set(keys).size, 2);
  const lost = complaints.filter((complaint) => !/net::ERR_FAILED|404 \(Not Found\)/.test(complaint));
  assert.deepEqual(lost, []);
  await page.context().close();
}

/** The answer of a refusal is lost, and another card is taken: what became of the first is told before the second is. */
async function changeTheCardAfterALostAnswer(browser) {
  const { page } = await open(browser, { width: 1000, height: 800 });
  const customer = await page.locator('#customer').textContent();
  const loseOne = async (route) => {
    await route.fetch();
    await route.abort();
  };
  await page.route('**/cart/checkout', loseOne, { times: 1 });
  await page.locator('.product:not(.gone) button').first().click();
  const place = page.getByRole('button', { name: 'Place the order' });
  for (const [card, said] of [['decline', /is not placed twice/], ['ok', /PAYMENT_DECLINED/]]) {
    await page.getByLabel('Pay with').selectOption(card);
    await place.click();
    await reads(page.locator('#cart .alert'), said);
    await page.waitForFunction(() => document.querySelector('#checkout [type=submit]').ariaBusy !== 'true');
  }
  await place.click();
  await reads(page.locator('#orders .order h3 .state'), 'placed');
  const { orders } = await ask('GET', `orders?customer=${customer}`);
  assert.deepEqual(orders.map((order) => order.state), ['placed', 'refused']);
  await page.context().close();
}

async function buyOnAPhone(browser, colorScheme) {
  const { page, complaints } = await open(browser, { width: 390, height: 844 }, { colorScheme, hasTouch: true, isMobile: true });
  const fits = async () => {
    const [wide, wanted] = await page.evaluate(() => [document.documentElement.scrollWidth, screen.width]);
    assert.ok(wide <= wanted, `it is ${wide} wide, the phone ${wanted}`);
  };
  const places = page.getByRole('navigation');
  await fits();
  assert.equal(await page.locator('#cart').isVisible(), false);
  await picture(page, `phone-${colorScheme}-shop`);
  await search(page, 'lamp');
  await addOfTwoVendors(page);
  await places.getByRole('link', { name: /^Cart/ }).tap();
  await page.locator('#cart .line').first().waitFor();
  await fits();
  assert.equal(await page.locator('#shop').isVisible(), false);
  await picture(page, `phone-${colorScheme}-cart`);
  await page.getByRole('button', { name: 'Place the order' }).tap();
  // It goes where the order is.
  await reads(page.locator('#orders .order h3 .state'), 'placed');
  await fits();
  await picture(page, `phone-${colorScheme}-orders`);
  await places.getByRole('link', { name: 'Shop' }).tap();
  await page.locator('.product').first().waitFor();
  assert.deepEqual(complaints, []);
  await page.context().close();
}

// It runs as root in places, where Chromium has no sandbox.
const browser = await chromium.launch({ executablePath: program, args: ['--no-sandbox'] });
try {
  await buyOnAWideScreen(browser);
  await loseAnAnswer(browser);
  await changeTheCardAfterALostAnswer(browser);
  await buyOnAPhone(browser, 'light');
  await buyOnAPhone(browser, 'dark');
  console.log('all of it is as it should be');
} finally {
  await browser.close();
}
