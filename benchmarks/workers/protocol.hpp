// What a worker in C++ does around its library: the same as protocol.py.
// Armadillo's columns are our rows: D x N in Fortran order is N x D in C order.

#include <armadillo>
#include <chrono>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <iostream>
#include <string>

struct Parameters {
  arma::rowvec weights;    // K
  arma::mat means;         // D x K
  arma::cube covariances;  // D x D x K
};

inline arma::vec read(const std::string &path, arma::uword size) {
  arma::vec values(size);
  std::ifstream file(path, std::ios::binary);
  file.read(reinterpret_cast<char *>(values.memptr()), size * sizeof(double));
  if (!file) {
    std::cerr << "cannot read " << size << " numbers of " << path << '\n';
    std::exit(1);
  }
  return values;
}

template <typename Values>
void append(std::ofstream &file, const Values &values) {
  file.write(reinterpret_cast<const char *>(values.memptr()),
             values.n_elem * sizeof(double));
}

// fit(rows, start, n_iterations) returns parameters.
template <typename Fit>
int serve(const std::string &library, int count, char **arguments, Fit fit) {
  if (count != 6) return 2;
  const std::string folder = arguments[1], results = arguments[2];
  const arma::uword N = std::stoul(arguments[3]), D = std::stoul(arguments[4]),
                    K = std::stoul(arguments[5]);
  const arma::vec flat = read(folder + "/covariances.f64", K * D * D);
  const Parameters start{read(folder + "/weights.f64", K).t(),
                         arma::reshape(arma::mat(read(folder + "/means.f64", K * D)), D, K),
                         arma::cube(flat.memptr(), D, D, K)};
  const arma::mat rows = arma::reshape(arma::mat(read(folder + "/rows.f64", N * D)), D, N);

  std::cout << library << std::endl;
  arma::uword n_iterations;
  while (std::cin >> n_iterations) {
    const auto wall = std::chrono::steady_clock::now();
    const std::clock_t cpu = std::clock();
    const Parameters fitted = fit(rows, start, n_iterations);
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - wall;
    const double cpu_seconds = double(std::clock() - cpu) / CLOCKS_PER_SEC;
    std::ofstream file(results + "/fitted.f64", std::ios::binary);
    append(file, fitted.weights);
    append(file, fitted.means);
    append(file, fitted.covariances);
    file.close();
    std::cout << seconds.count() << ' ' << cpu_seconds << std::endl;
  }
  return 0;
}
