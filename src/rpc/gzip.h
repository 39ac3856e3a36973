// Compressed answers for those who ask for them, as Prometheus does (HTTP-08; client_golang's promhttp).
#pragma once

#include <string>
#include <string_view>

namespace holdfast::rpc {

// Whether an Accept-Encoding field takes gzip: by name, or by "*", and not with q=0.
bool accepts_gzip(std::string_view accept_encoding);
std::string gzip(std::string_view text);

}  // namespace holdfast::rpc
