#include "server/snapshot_pieces.h"

#include <openssl/evp.h>

#include "base/check.h"

namespace holdfast::server {

struct SnapshotPieces::Work {
  explicit Work(std::unique_ptr<SnapshotBody> b) : body(std::move(b)), digest(EVP_MD_CTX_new()) {
    CHECK(digest != nullptr && EVP_DigestInit_ex(digest, EVP_sha256(), nullptr) == 1);
  }
  ~Work() { EVP_MD_CTX_free(digest); }
  Work(const Work&) = delete;
  Work& operator=(const Work&) = delete;

  absl::StatusOr<std::string> read(size_t size) {
    std::string piece(size, '\0');
    size_t filled = 0;
    while (filled < size) {
      auto n = body->read(std::span(piece).subspan(filled));
      if (!n.ok()) return n.status();
      if (*n == 0) break;
      filled += *n;
    }
    piece.resize(filled);
    CHECK(EVP_DigestUpdate(digest, piece.data(), piece.size()) == 1);
    return piece;
  }

  std::unique_ptr<SnapshotBody> body;
  EVP_MD_CTX* digest;
};

SnapshotPieces::SnapshotPieces(uint64_t bytes, std::unique_ptr<SnapshotBody> body,
                               std::string storage_version, env::Executor& background)
    : bytes_(bytes),
      storage_version_(std::move(storage_version)),
      background_(background),
      work_(std::make_shared<Work>(std::move(body))) {}

SnapshotPieces::~SnapshotPieces() = default;

void SnapshotPieces::next(size_t size, env::Executor& reply_on,
                          UniqueFunction<void(absl::StatusOr<std::string>)> done) {
  background_.post([work = work_, size, &reply_on, done = std::move(done)]() mutable {
    absl::StatusOr<std::string> piece = work->read(size);
    reply_on.post([done = std::move(done), piece = std::move(piece)]() mutable {
      done(std::move(piece));
    });
  });
}

std::string SnapshotPieces::digest() {
  unsigned char bytes[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  CHECK(EVP_DigestFinal_ex(work_->digest, bytes, &size) == 1);
  return {reinterpret_cast<const char*>(bytes), size};
}

}  // namespace holdfast::server
