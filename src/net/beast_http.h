// What the parsers of HTTP/1.1, ours for both sides, use of Boost.Beast.
#pragma once

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/error.hpp>
#include <string_view>

namespace holdfast::net {

namespace beast_http = boost::beast::http;
using beast_view = boost::beast::string_view;
using boost::beast::error_code;

inline std::string_view view(beast_view text) { return {text.data(), text.size()}; }

}  // namespace holdfast::net
