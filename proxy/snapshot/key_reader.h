// KeyReader: reads all clients' keys of a store's db as dumps with absolute
// deadlines, pipelined: pages of SCAN, and a few keys' DUMP and expiry in one
// transaction, so that the two are of one moment. What it asks for at a time
// depends on how large the dumps of late were, so that neither side has to buffer
// much. For one thread; blocking; what it can't go on from is an error.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "config/result.h"
#include "proxy/backend/store_client.h"

namespace crossfade::proxy {

// Who takes the keys. An error ends the reading.
class KeyTaker {
 public:
  virtual ~KeyTaker() = default;
  // deadline_ms: since 1970 by the store's clock, 0: none.
  virtual Status OnKey(std::string_view name, int64_t deadline_ms, std::string_view payload) = 0;
  virtual Status OnRefused(std::string_view name, std::string_view reason) = 0;
  virtual void OnVanished() = 0;
  // All that SCAN lists before this cursor was taken.
  virtual void OnCursor(uint64_t cursor) = 0;
};

class KeyReader {
 public:
  // How the store tells deadlines: 7.0 by PEXPIRETIME, others by PTTL and TIME.
  KeyReader(StoreClient& store, bool has_expiretime, KeyTaker& taker)
      : store_(store), has_expiretime_(has_expiretime), taker_(taker) {}

  // From that cursor to the end of the db that is selected.
  Status ReadDb(uint64_t cursor);

 private:
  struct Page {
    uint64_t next = 0;  // cursor behind it
    size_t open = 0;    // keys not taken yet
  };
  struct Name {
    std::string text;
    uint64_t page = 0;
  };
  struct Request {
    bool scan = false;
    std::vector<Name> keys;
  };

  bool Idle() const { return requests_.empty() && names_.empty() && alone_.empty() && scanned_; }
  void Fill();
  void Ask(std::vector<Name> keys);
  size_t KeysAtATime() const;
  Status TakePage();
  Status TakeKeys(Request& request);
  Status TakeElement(const Name& key, const redisReply& dump, const redisReply& expiry,
                     int64_t now_ms);
  Status Refuse(const Name& key, std::string_view reason);
  void Close(const Name& key);
  void TakenWhole();
  void NoteSize(size_t bytes);

  StoreClient& store_;
  const bool has_expiretime_;
  KeyTaker& taker_;
  std::string out_;
  std::deque<Request> requests_;  // sent, or to be sent with out_
  std::deque<Name> names_;        // listed, not asked for
  std::deque<Name> alone_;        // asked for in vain together with others
  std::deque<Page> pages_;        // not taken whole
  uint64_t first_page_ = 0;       // number of the first of them
  uint64_t cursor_ = 0;
  bool scanning_ = false, scanned_ = false;
  size_t under_way_ = 0;  // keys asked for
  size_t usual_bytes_ = 0;
};

}  // namespace crossfade::proxy
