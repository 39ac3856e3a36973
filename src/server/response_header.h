// The header of every answer (GEN-05, GEN-06), in the one place that writes it.
#pragma once

#include <cstddef>
#include <string>

#include "base/types.h"
#include "server/member_info.h"

namespace etcdserverpb {
class Member;
class ResponseHeader;
}  // namespace etcdserverpb
namespace holdfast::membership {
struct Member;
}

namespace holdfast::server {

// Room for field 1 of a response: tag, length and four 64-bit fields.
inline constexpr size_t kHeaderBytesMax = 2 + 4 * 11;

// Appends the header as field 1 of a response message, zero fields left out.
void append_header(std::string& out, const MemberInfo& member, Revision revision);

// Fills in all but the revision.
void fill_identity(etcdserverpb::ResponseHeader& header, const MemberInfo& member);
// Besides, the revision if it is 0: the store's current one.
void fill_header(etcdserverpb::ResponseHeader& header, const MemberInfo& member);

void fill_member(etcdserverpb::Member& to, const membership::Member& from);

}  // namespace holdfast::server
