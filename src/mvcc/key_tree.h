// The keys in order: a B+tree of KeyVersions. PURE; not thread-safe.
//
// At ten million keys what costs is memory that isn't in the cache, and a plain tree of pointers
// follows one into every key that it compares. Here a node knows how many bytes all its keys have
// in common and keeps the four bytes behind those of every key ("heads") beside its pointers, so
// that a search mostly stays inside the nodes and follows the last pointer only.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/functional/function_ref.h"
#include "mvcc/key_versions.h"

namespace holdfast::mvcc {

class KeyTree {
 public:
  KeyTree();
  ~KeyTree();
  KeyTree(const KeyTree&) = delete;
  KeyTree& operator=(const KeyTree&) = delete;

  size_t size() const { return size_; }
  // nullptr: not there. Entries stay where they are until erased.
  KeyVersions* find(std::string_view key) const;
  // Asks for the memory that looking up these keys will touch, for all at the same time: with many keys a look-up mostly
  // waits for memory, and waiting once for a row of them is cheaper than for one after the other. Changes nothing.
  static constexpr size_t kPrefetchMax = 32;
  void prefetch(const std::string_view* keys, size_t count) const;  // count <= kPrefetchMax
  // Creates an entry without revisions if there is none. `expected` is only a matter of speed.
  enum class Expected : uint8_t { there, absent };
  KeyVersions* find_or_insert(std::string_view key, Expected expected = Expected::there);
  void erase(std::string_view key);
  // Ascending keys >= from, until `visit` returns false. The tree must not be changed meanwhile,
  // entries may be.
  void visit(std::string_view from, absl::FunctionRef<bool(KeyVersions&)> visit) const;

  // For tests: ends the process if the tree isn't one.
  void check() const;

 private:
  static constexpr size_t kFanout = 64;

  struct Node;
  struct Leaf;
  struct Inner;
  struct Split {
    std::string separator;  // all keys of `right` are >= it, all keys before are smaller
    Node* right = nullptr;
  };

  static void destroy(Node* node);
  Leaf* likely_leaf_for(std::string_view key) const;
  Leaf* leaf_for(std::string_view key) const;
  static KeyVersions* find_in(Leaf& leaf, std::string_view key);
  KeyVersions* insert_below(Node* node, std::string_view key, Split& split);
  KeyVersions* insert_into_leaf(Leaf& leaf, std::string_view key, Split& split);
  void insert_into_inner(Inner& inner, size_t child, Split& below, Split& split);
  bool erase_below(Node* node, std::string_view key);
  static void remove_child(Inner& inner, size_t child);
  static void merge_leaves(Inner& inner, size_t left);
  void check_below(const Node* node, std::string_view low, std::string_view high, size_t depth,
                   size_t& leaf_depth, size_t& count) const;

  Node* root_;
  size_t size_ = 0;
};

}  // namespace holdfast::mvcc
