#include "replication/snapshot/writer.h"

namespace crossfade::replication {

Status SnapshotWriter::Begin(const SnapshotHeader& header) {
  bytes_ = EncodeSnapshotHeader(header);
  return Write();
}

void SnapshotWriter::GoOn(const SnapshotTotals& totals, SnapshotPosition position) {
  totals_ = totals;
  position_ = position;
}

Status SnapshotWriter::Add(const SnapshotRecord& record) {
  AppendSnapshotRecord(record, records_);
  if (record.tag == SnapshotTag::kKey) {
    ++keys_;
    ++totals_.keys;
    totals_.payload_bytes += record.payload.size();
  } else if (record.tag == SnapshotTag::kRefused) {
    ++totals_.refused;
  }
  if (records_.size() < kSnapshotBlockBytes) return {};
  return WriteBlock();
}

Status SnapshotWriter::WriteBlock() {
  AppendSnapshotBlock(totals_.blocks, position_, keys_, records_, bytes_);
  ++totals_.blocks;
  keys_ = 0;
  records_.clear();
  // A single large key must not keep its memory for good.
  if (records_.capacity() > 4 * kSnapshotBlockBytes) records_.shrink_to_fit();
  return Write();
}

Status SnapshotWriter::Write() {
  const Status written = sink_.Append(bytes_);
  unsynced_ += bytes_.size();
  bytes_.clear();
  if (bytes_.capacity() > 4 * kSnapshotBlockBytes) bytes_.shrink_to_fit();
  if (!written || unsynced_ < kSyncBytes) return written;
  unsynced_ = 0;
  return sink_.Sync();
}

Status SnapshotWriter::Finish() {
  if (!records_.empty()) {
    if (const Status written = WriteBlock(); !written) return written;
  }
  AppendSnapshotEnd(totals_, bytes_);
  if (const Status written = Write(); !written) return written;
  return sink_.Sync();
}

}  // namespace crossfade::replication
