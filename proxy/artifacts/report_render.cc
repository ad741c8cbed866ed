// ReportPage as Markdown and as HTML.
#include <algorithm>

#include "proxy/artifacts/report_page.h"

namespace crossfade::proxy {
namespace {

constexpr char kStyle[] = R"(
:root { --back: #f5f6f8; --card: #fff; --text: #1b2330; --dim: #5e6a7b; --line: #dfe3e9;
  --good: #157f3c; --warn: #9a6200; --bad: #c22121; }
@media (prefers-color-scheme: dark) { :root { --back: #11151b; --card: #1a2028; --text: #e4e9f0;
  --dim: #97a3b4; --line: #2c3541; --good: #5fd38a; --warn: #f2bd55; --bad: #ff8080; } }
body { margin: 0 auto; max-width: 1080px; padding: 18px; background: var(--back);
  color: var(--text); font: 14px/1.5 system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif;
  font-variant-numeric: tabular-nums; }
h1 { font-size: 20px; margin: 0 0 4px; }
h2 { font-size: 15px; margin: 0 0 8px; }
section { background: var(--card); border: 1px solid var(--line); border-radius: 10px;
  padding: 14px 16px; margin: 0 0 14px; overflow-x: auto; }
section.result { border-left: 6px solid var(--tone); }
.result p { color: var(--tone); font-size: 16px; font-weight: 600; margin: 0;
  overflow-wrap: anywhere; }
.good { --tone: var(--good); } .warn { --tone: var(--warn); } .bad { --tone: var(--bad); }
table { border-collapse: collapse; width: 100%; }
th { text-align: left; font-size: 12px; color: var(--dim); }
th, td { padding: 4px 12px 4px 0; border-bottom: 1px solid var(--line); vertical-align: top;
  overflow-wrap: break-word; }
td code, table.pairs td { overflow-wrap: anywhere; }
tr:last-child td { border-bottom: 0; }
table.pairs td:first-child { color: var(--dim); width: 26%; }
code { font: 12.5px/1.4 ui-monospace, "DejaVu Sans Mono", monospace; }
p.note { color: var(--dim); margin: 8px 0 0; }
ul { margin: 0; padding-left: 20px; }
)";

std::string HtmlText(const std::string& text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

// What stands between backticks is code.
std::string HtmlProse(const std::string& text) {
  std::string out;
  bool code = false;
  for (const char c : HtmlText(text)) {
    if (c != '`') {
      out += c;
      continue;
    }
    out += code ? "</code>" : "<code>";
    code = !code;
  }
  return code ? out + "</code>" : out;
}

std::string HtmlTable(const ReportTable& table) {
  std::string out = "<section>";
  if (!table.title.empty()) out += "<h2>" + HtmlText(table.title) + "</h2>";
  out += table.head.empty() ? "<table class=\"pairs\">" : "<table><tr>";
  for (const std::string& name : table.head) out += "<th>" + HtmlText(name) + "</th>";
  out += table.head.empty() ? "\n" : "</tr>\n";
  for (const std::vector<std::string>& row : table.rows) {
    out += "<tr>";
    for (size_t i = 0; i < row.size(); ++i) {
      const bool code = static_cast<int>(i) == table.code_column;
      const std::string text = HtmlText(row[i]);
      out += "<td>" + (code ? "<code>" + text + "</code>" : text) + "</td>";
    }
    out += "</tr>\n";
  }
  out += "</table>";
  if (!table.note.empty()) out += "<p class=\"note\">" + HtmlProse(table.note) + "</p>";
  return out + "</section>\n";
}

// One cell of a table: a bar would end it, and a line can't break in it.
std::string MarkdownCell(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '|') out += '\\';
    out += c == '\n' ? ' ' : c;
  }
  return out;
}

// Prose that is not ours: what it says is not markup.
std::string MarkdownText(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (std::string_view("\\`*_<>[]").find(c) != std::string_view::npos) out += '\\';
    out += c;
  }
  return out;
}

// Fenced by more backticks than stand in it in a row.
std::string MarkdownCode(const std::string& text) {
  size_t longest = 0, run = 0;
  for (const char c : text) {
    run = c == '`' ? run + 1 : 0;
    longest = std::max(longest, run);
  }
  const std::string fence(longest + 1, '`');
  const std::string space = longest > 0 ? " " : "";
  return text.empty() ? "(empty)" : fence + space + text + space + fence;
}

std::string MarkdownTable(const ReportTable& table) {
  std::string out = "\n";
  if (!table.title.empty()) out += "## " + table.title + "\n\n";
  const size_t columns =
      table.head.empty() ? (table.rows.empty() ? 1 : table.rows[0].size()) : table.head.size();
  std::string rule = "|";
  out += "|";
  for (size_t i = 0; i < columns; ++i) {
    out += " " + (table.head.empty() ? "" : MarkdownCell(table.head[i])) + " |";
    rule += "---|";
  }
  out += "\n" + rule + "\n";
  for (const std::vector<std::string>& row : table.rows) {
    out += "|";
    for (size_t i = 0; i < row.size(); ++i) {
      const bool code = static_cast<int>(i) == table.code_column;
      out += " " + MarkdownCell(code ? MarkdownCode(row[i]) : MarkdownText(row[i])) + " |";
    }
    out += "\n";
  }
  if (!table.note.empty()) out += "\n" + table.note + "\n";
  return out;
}

}  // namespace

std::string Markdown(const ReportPage& page) {
  std::string out = "# " + page.title + "\n\n**" + MarkdownText(page.headline) + "**\n";
  for (const ReportTable& table : page.tables) out += MarkdownTable(table);
  out += "\n## What to do next\n\n";
  for (const std::string& step : page.next) out += "- " + step + "\n";
  return out;
}

std::string Html(const ReportPage& page) {
  using Tone = ReportPage::Tone;
  const char* tone = page.tone == Tone::kGood ? "good" : page.tone == Tone::kBad ? "bad" : "warn";
  std::string out =
      "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
      "style-src 'unsafe-inline'\">\n<title>crossfade: " +
      HtmlText(page.title) + "</title>\n<style>" + kStyle + "</style></head>\n<body>\n";
  out += std::string("<section class=\"result ") + tone + "\"><h1>" + HtmlText(page.title) +
         "</h1><p>" + HtmlText(page.headline) + "</p></section>\n";
  for (const ReportTable& table : page.tables) out += HtmlTable(table);
  out += "<section><h2>What to do next</h2><ul>";
  for (const std::string& step : page.next) out += "<li>" + HtmlProse(step) + "</li>\n";
  return out + "</ul></section>\n</body></html>\n";
}

}  // namespace crossfade::proxy
