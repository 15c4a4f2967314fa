// SPDX-License-Identifier: MIT
// An exception that nobody catches.
#include <stdexcept>
#include <string>

namespace shop
{
class Cart
{
  public:
    __attribute__((noinline)) int checkout(const std::string &what);
};

int Cart::checkout(const std::string &what)
{
    throw std::runtime_error("the till is out of " + what);
}
}

int main()
{
    shop::Cart cart;
    return cart.checkout("change");
}
