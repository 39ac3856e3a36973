// One visitor out of several lambdas, for std::visit.
#pragma once

namespace holdfast::config {

template <class... Fs>
struct Overloaded : Fs... {
  using Fs::operator()...;
};
template <class... Fs>
Overloaded(Fs...) -> Overloaded<Fs...>;  // clang 14 needs it spelled out

}  // namespace holdfast::config
