/** uPlot is a script of its own in the page, which defines this global. */
import 'uplot';
