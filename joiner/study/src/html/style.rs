//! How a page looks: light and dark, with colors that can be told apart without seeing red or green.

/// Colors are Okabe and Ito's (2008), darker on a light page. Series also differ in the shapes of their marks.
pub(super) const STYLE: &str = "\
:root{--back:#fff;--text:#1b1b1b;--soft:#5a5a5a;--line:#dcdcdc;--zero:#767676;--panel:#f4f6f8;--positive:#00659c;\
--neutral:#6b6b6b;--negative:#c04f00;--main:#00659c;--other:#8a5a00}\
@media(prefers-color-scheme:dark){:root{--back:#15181c;--text:#e8e8e8;--soft:#a9b0b7;--line:#343a40;--zero:#8d959d;\
--panel:#1e2328;--positive:#56b4e9;--neutral:#b0b0b0;--negative:#f09a4a;--main:#56b4e9;--other:#e6b800}}\
body{font:16px/1.5 system-ui,sans-serif;margin:0;padding:1.5rem 1rem;background:var(--back);color:var(--text)}\
main{max-width:60rem;margin:0 auto}h1{font-size:1.6rem;margin:0 0 .5rem}h2{margin:2.5rem 0 .5rem;font-size:1.3rem}\
h3{margin:0;font-size:1rem}.verdict{font-size:1.05rem;line-height:1.5;border-left:6px solid var(--zero);padding:.7rem 1rem;\
background:var(--panel);margin:1rem 0}.verdict strong{font-size:1.5rem}.found{border-color:var(--positive)}.nothing{border-style:dashed;border-width:0 0 0 6px}\
table{border-collapse:collapse;width:100%;font-size:.85rem;margin:1rem 0;font-variant-numeric:tabular-nums}\
th,td{border-bottom:1px solid var(--line);padding:.3rem .5rem;text-align:right;vertical-align:top}\
th:first-child,td:first-child,.words td,.words th{text-align:left}td.number,th.number{text-align:right;white-space:nowrap}\
.wide{overflow-x:auto}figure{margin:1.75rem 0}.says,.key{margin:.1rem 0 .4rem;color:var(--soft);font-size:.9rem}\
.key span{margin-right:1rem;white-space:nowrap;color:var(--text)}.swatch{width:14px;height:14px;vertical-align:-2px}\
figure>svg{width:100%;height:auto;display:block}svg text{font-size:11.5px;fill:var(--text);stroke:none}\
svg .n{fill:var(--soft);font-size:9.5px}svg .unit{fill:var(--soft)}.grid{stroke:var(--line)}.zero{stroke:var(--zero)}\
.cut{stroke:var(--zero);stroke-dasharray:3 3}.none,.few{color:var(--soft)}.none{background:var(--panel);padding:.6rem 1rem}\
.positive{stroke:var(--positive);fill:var(--positive)}.neutral{stroke:var(--neutral);fill:var(--neutral)}\
.negative{stroke:var(--negative);fill:var(--negative)}.main{stroke:var(--main);fill:var(--main)}\
.other{stroke:var(--other);fill:var(--other)}.interval{stroke-width:2;stroke-linecap:round}.curve{fill:none;stroke-width:2}\
.dashed{stroke-dasharray:5 4}.band{stroke:none;fill-opacity:.16}.point{stroke:none;fill-opacity:.35}.cell{stroke:none}\
.ideal{stroke:var(--zero);stroke-dasharray:5 4}.bar{stroke:none}.rest{fill:var(--neutral);stroke:none;fill-opacity:.55}\
details{font-size:.9rem}summary{cursor:pointer;color:var(--soft)}code{font-size:.9em}\
@media print{details{display:none}body{padding:0}}";
