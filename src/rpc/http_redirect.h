// Go's http.ServeMux sends whoever asks for an unclean path ("//v3/kv/put", "/v3/../health") on to the clean one, and so does
// etcd: a client whose base URL ends in a slash gets along.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "rpc/http_replies.h"

namespace holdfast::rpc {

// Without empty parts, "." and ".."; a slash at the end stays (net/http's cleanPath).
std::string clean_path(std::string_view path);

// Where to go instead; nothing if the path is clean. Escapes are taken as they are, and escaped once more: Go's way.
std::optional<std::string> clean_target(const net::HttpRequest& request);

// 307, which keeps method and body.
void redirect(const HttpReply& reply, std::string_view target);

}  // namespace holdfast::rpc
