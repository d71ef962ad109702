#!/usr/bin/env bash
# Goes shopping by curl: browses, fills a cart, pays, and reads what is told of it. Needs curl and python3.
#
#   souk demo --serve                          # in another terminal; it says where it listens
#   examples/shop/shop.sh http://HOST:PORT
set -euo pipefail

base="${1:?say where the marketplace listens: shop.sh http://HOST:PORT}/api/v1"
customer="${2:-shopper-$$-$RANDOM}"

# The answer to one call; another status than expected ends the script with what was said.
ask() {
  local expected=$1 method=$2 path=$3 body=${4:-}
  local answer status
  answer=$(curl --silent --show-error --max-time 30 --request "$method" --header 'content-type: application/json' \
    ${body:+--data "$body"} --write-out '\n%{http_code}' "$base/$path")
  status=${answer##*$'\n'}
  if [ "$status" != "$expected" ]; then
    echo "$method $path gave $status, not $expected: ${answer%$'\n'*}" >&2
    exit 1
  fi
  printf '%s' "${answer%$'\n'*}"
}

# A value of the JSON on stdin, as a Python expression of `it`.
pick() {
  python3 -c "import json, sys; it = json.load(sys.stdin); print($1)"
}

# Calls in `$(...)` end the script too when they fail.
shopt -s inherit_errexit

echo "== Three lamps, the best first"
lamps=$(ask 200 GET 'products?text=lamp&in_stock=true&sort=-rating&page_size=3')
pick '"\n".join("  %s %-14s %8.2f %s  %s" % (p["vendor_id"], p["sku"], p["price"] / 100, p["currency"], p["name"]) for p in it["products"])' <<<"$lamps"

echo "== Events of this customer, as they happen"
events=$(mktemp)
trap 'kill "$listener" 2>/dev/null || true; rm -f "$events"' EXIT
curl --silent --no-buffer "$base/events?patterns=order.*&customer=$customer" >"$events" &
listener=$!
until grep -q '^event: cursor' "$events"; do sleep 0.1; done

echo "== Two of them into the cart"
for number in 0 1; do
  line=$(pick "json.dumps({'customer': '$customer', 'vendor_id': it['products'][$number]['vendor_id'], 'sku': it['products'][$number]['sku'], 'quantity': 1})" <<<"$lamps")
  ask 200 POST cart/add "$line" >/dev/null
done
cart=$(ask 200 GET "cart?customer=$customer")
pick '"  %d vendors, %.2f %s" % (len(it["vendors"]), it["total"] / 100, it["currency"])' <<<"$cart"

echo "== Checkout, and the same once more, as after a lost answer"
checkout="{\"customer\": \"$customer\", \"idempotency_key\": \"first order\", \"payment_token\": \"ok\"}"
first=$(ask 200 POST cart/checkout "$checkout")
again=$(ask 200 POST cart/checkout "$checkout")
order=$(pick 'it["order"]["order_id"]' <<<"$first")
pick '"  order %s is %s" % (it["order"]["order_id"], it["order"]["state"])' <<<"$first"
[ "$order" = "$(pick 'it["order"]["order_id"]' <<<"$again")" ] || { echo "the same checkout made another order" >&2; exit 1; }

echo "== The vendors send it"
ask 200 POST order/ship "{\"order_id\": \"$order\"}" | pick '"  it is " + it["state"]'

echo "== What was told"
for kind in order.placed order.shipped; do
  for _ in $(seq 100); do grep -q "^event: $kind" "$events" && break; sleep 0.1; done
  grep -q "^event: $kind" "$events" || { echo "no $kind came" >&2; exit 1; }
done
sed -n 's/^event: \(order.*\)/  \1/p' "$events"
