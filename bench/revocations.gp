# revocations.dat -> revocations.svg, in the folder where it is started
set terminal svg size 760,440 font "sans-serif,12" background "white"
set output "revocations.svg"
set title "From a revocation to its refusal, over all workers"
set xlabel "milliseconds since Redis was asked to change the record"
set ylabel "share of revocations"
set logscale x
set xrange [0.1:5000]
set format y "%.0f %%"
set yrange [0:100]
set grid
set key outside bottom center horizontal maxrows 3
set arrow from 1000,0 to 1000,100 nohead dashtype 2 linecolor rgb "red"
set label "max_staleness" at 1100,8 noenhanced textcolor rgb "red"
plot "revocations.dat" index 0 using 1:($2*100) with lines linewidth 2 title "all is well: a new request refused by every worker", \
     "" index 1 using 1:($2*100) with lines linewidth 2 title "all is well: a running stream cut"
