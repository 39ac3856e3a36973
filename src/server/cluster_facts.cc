#include "server/cluster_facts.h"

#include "membership.pb.h"

namespace holdfast::server {

namespace {
using membership::Version;
// Members of this version and later read the v3 form.
const Version kFirstWithV3{3, 5, 0, {}};
const Version kUndecided{3, 0, 0, {}};
}  // namespace

FactForm fact_form(const std::optional<Version>& cluster, const MemberVersions& members) {
  if (cluster && cluster->without_patch() > kUndecided)
    return cluster->without_patch() < kFirstWithV3 ? FactForm::v2 : FactForm::v3;
  for (const auto& [id, versions] : members) {
    if (!versions) continue;
    const auto version = membership::parse_version(versions->server);
    if (version && version->without_patch() < kFirstWithV3) return FactForm::v2;
  }
  return FactForm::v3;
}

Doubt doubt_about(const std::optional<Version>& cluster, const MemberVersions& members, const Peers& peers) {
  Doubt doubt = Doubt::none;
  if (cluster && cluster->without_patch() > kUndecided) return doubt;
  for (const auto& [id, versions] : members) {
    if (versions) continue;
    if (peers.active_since(id) != env::Instant{}) return Doubt::about_one_that_is_connected;
    doubt = Doubt::about_one_that_is_down;
  }
  return doubt;
}

void ClusterFacts::set_version(const CallContext& context, FactForm form, const Version& version,
                               ProposalDone done) {
  if (form == FactForm::v2)
    return v2_proposer_.propose_v2_put(context, Command::cluster_version_set,
                                       membership::kV2VersionPath, version.to_string(),
                                       std::move(done));
  membershippb::ClusterVersionSetRequest request;
  request.set_ver(version.to_string());
  proposer_.propose(context, Command::cluster_version_set, request.SerializeAsString(),
                    std::move(done));
}

void ClusterFacts::set_attributes(const CallContext& context, FactForm form, MemberId member,
                                  const membership::Attributes& attributes, ProposalDone done) {
  if (form == FactForm::v2)
    return v2_proposer_.propose_v2_put(context, Command::cluster_member_attr_set,
                                       membership::v2_attributes_path(member),
                                       membership::to_json(attributes), std::move(done));
  membershippb::ClusterMemberAttrSetRequest request;
  request.set_member_id(member.value);
  request.mutable_member_attributes()->set_name(attributes.name);
  for (const std::string& url : attributes.client_urls)
    request.mutable_member_attributes()->add_client_urls(url);
  proposer_.propose(context, Command::cluster_member_attr_set, request.SerializeAsString(),
                    std::move(done));
}

}  // namespace holdfast::server
