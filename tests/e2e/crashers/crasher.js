// SPDX-License-Identifier: MIT
// An error that nobody catches.
function checkout(cart) {
  return cart.items.length;
}
checkout({});
